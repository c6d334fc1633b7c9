"""The clients of the benchmarks: processes of their own, cheap enough not to be what is measured.

They speak raw bytes over sockets that are never waited for, one thread each: no library stands between them and the
servers, and nothing is parsed that need not be. `main` is what such a process runs, `benchmarks.common.crew` starts
several and speaks to them in lines of JSON.
"""
