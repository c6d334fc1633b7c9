"""Looking after a control plane: is all as it should be, put it right, copy it, bring a copy back.

compare      the record and the stream side by side
doctor       GET  /backbeat/doctor           what is well, what is not, and what to do
repair       GET  /backbeat/repair           what would be done; POST does it
archive      the form of a backup
backup       GET  /backbeat/backup           a copy at one resourceVersion, made while all runs
restore      POST /backbeat/restore          a copy takes the place of what is there; GET tells what that is
rotation     POST /backbeat/secrets/rotate   every Secret sealed anew with the first key
desk         who asks for what

All of it answers lines of JSON as it goes, and is for `system:masters` alone. None of it needs the cache, so it works
while the server refuses writes.
"""
