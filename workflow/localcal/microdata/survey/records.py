"""What the extract of survey households holds: one row per tax unit, with money of 2014."""

# The year whose dollars and whose population the survey's file is about.
MONEY_YEAR = 2014

# What names a household: the year that its incomes are of, and its number in that year's survey.
HOUSEHOLD = ("FLPDYR", "h_seq")

# What is said of a tax unit, and how many of its dependents are of what age.
UNIT = (
    "ffpos",
    "fips",
    "MARS",
    "DSI",
    "XTOT",
    "age_head",
    "age_spouse",
    "blind_head",
    "blind_spouse",
    "nu06",
    "nu13",
    "n24",
    "nu18",
    "n1820",
    "n21",
    "elderly_dependents",
)

# What a unit takes in, in dollars; p is the head's part and s the spouse's. e00650 and e01700
# are parts of e00600 and e01500.
INCOMES = (
    "e00200p",
    "e00200s",
    "e00900p",
    "e00900s",
    "e02100p",
    "e02100s",
    "e00300",
    "e00400",
    "e00600",
    "e00800",
    "e01100",
    "e01400",
    "e01500",
    "e02300",
    "e02400",
)
OTHER_MONEY = (
    "e00650",
    "e01700",
    "e03210",
    "e17500",
    "e18500",
    "e19200",
    "e19800",
    "e20100",
    "e32800",
    "mcaid_ben",
    "ssi_ben",
    "vet_ben",
)
COLUMNS = (*HOUSEHOLD, "weight", *UNIT, *INCOMES, *OTHER_MONEY)
