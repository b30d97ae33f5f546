"""The commands of `localcal`, one module each.

A module has `NAME`, what the command does in one line (`ABOUT`), `add_arguments(parser)`, and
`run(options)`, which returns the exit status: 0 where all is well, 1 where something is wrong,
2 for a bad call. `run` raises `InputError` for what the user can mend. All of them are imported
for `localcal --help`, so what is heavy is imported inside of `run`.
"""
