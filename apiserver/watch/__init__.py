"""Watches over HTTP: many watchers, each change written once.

view        what a watcher selects and how it is written
frames      one change in the bytes of a view; bookmarks and errors
group       all watchers of one view: the chain of chunks that they walk, each at its own pace
history     changes older than the window, from the stream
watcher     one watcher, from its first chunk to its last
hub         finds the group, decides where a watcher starts
"""

from apiserver.watch.hub import WatchHub
from apiserver.watch.view import Encode, View, WatchOptions
from apiserver.watch.watcher import Watcher, WatchSettings

__all__ = ["Encode", "View", "WatchHub", "WatchOptions", "WatchSettings", "Watcher"]
