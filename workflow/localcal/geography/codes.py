"""Codes of places, and the levels they belong to."""

BLOCK_DIGITS = 15
COUNTY_DIGITS = 5

# Stands for "somewhere in this county" where only counties are known. Census tracts are numbered
# from 000100 up, so no real block has these ten digits.
UNKNOWN_BLOCK = b"0000000000"

# The census writes 00 for a state's only district and 98 for the delegate's district of DC.
AT_LARGE_NUMBERS = (0, 98)

# One more than the largest FIPS code of a state, Wyoming's: tables are looked up by the code.
STATE_CODES = 57
# The same for districts, whose codes are `state * 100 + number`.
DISTRICT_CODES = 100 * STATE_CODES

# The 50 states and the District of Columbia; the FIPS codes left out were kept for territories.
STATES = tuple(sorted(set(range(1, STATE_CODES)) - {3, 7, 14, 43, 52}))

# How many congressional districts there are, with the delegate's of DC.
DISTRICTS = 436

LEVELS = ("nation", "state", "district", "city")
# The levels of targets.
TARGET_LEVELS = LEVELS[:3]
# Where the files of a level's areas lie: `areas/{folder}/{area}.h5`.
FOLDERS = {"nation": "national", "state": "states", "district": "districts", "city": "cities"}
# How target databases, and the files made after them, spell the first of the levels.
NATION_IN_DATABASES = "national"

_SPELLINGS = {folder: level for level, folder in FOLDERS.items()}


def at_large_code(code: int) -> int:
    """Return a district's code with the census's 00 and 98 (a state's only district) as 01."""
    state, number = divmod(code, 100)
    return state * 100 + (1 if number in AT_LARGE_NUMBERS else number)


def level_named(word: str) -> str:
    """Return a level however it is spelled: as here, as a folder, or as target databases do.

    A word that is no level comes back as it is, for the caller to refuse.
    """
    return _SPELLINGS.get(word, word)
