"""The exit codes of every command `boxwise`, one table. docs/client.md shows it; a test compares the two."""

DONE, FAILED, WRONG_ARGUMENTS, DECLINED, UNREACHABLE = range(5)
NOT_PROVED = 5
INTERRUPTED = 130

CODES = {
    DONE: "done",
    FAILED: "failed: what was given cannot be read or used, the result cannot be written, or a job ended badly",
    WRONG_ARGUMENTS: "the arguments are wrong",
    DECLINED: "the server declined it: not signed in, not allowed, not found, not now, not like this",
    UNREACHABLE: "the server does not answer, or what answers is no Boxwise",
    NOT_PROVED: "no proved answer (boxwise fuse)",
    INTERRUPTED: "interrupted by Ctrl+C",
}
