"""Made-up files with the columns of the Census Bureau's CPS ASEC."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

STATES = (6, 36, 48, 56)
DOLLARS = ("WSAL_VAL", "SEMP_VAL", "FRSE_VAL", "INT_VAL", "DIV_VAL", "RNT_VAL", "CAP_VAL")
DOLLARS += ("SS_VAL", "SSI_VAL", "UC_VAL", "VET_VAL", "WC_VAL", "PNSN_VAL", "ANN_VAL", "OI_VAL")
DOLLARS += ("CSP_VAL", "CHSP_VAL", "ED_VAL", "FIN_VAL", "SRVS_VAL", "PHIP_VAL", "PMED_VAL")
DOLLARS += ("POTC_VAL", "DST_VAL1", "DST_VAL2", "DST_VAL1_YNG", "DST_VAL2_YNG")
DOLLARS += ("DIS_VAL1", "DIS_VAL2")
COVERAGES = ("NOW_CAID", "NOW_PCHIP", "NOW_MRK", "NOW_NONM", "NOW_GRP", "NOW_MIL")
COVERAGES += ("NOW_CHAMPVA", "NOW_VACARE", "NOW_IHSFLG", "NOW_OTHMT")
DIFFICULTIES = ("PEDISDRS", "PEDISEAR", "PEDISEYE", "PEDISOUT", "PEDISPHY", "PEDISREM")


@dataclass
class Asec:
    """The three files as tables, to change before they are written."""

    person: pd.DataFrame
    family: pd.DataFrame
    household: pd.DataFrame

    def write(self, folder, year=24):
        """Write the files of a survey's year and return their folder."""
        folder.mkdir(exist_ok=True)
        for prefix, table in zip("pfh", (self.person, self.family, self.household), strict=True):
            table.to_csv(folder / f"{prefix}{prefix}pub{year}.csv", index=False)
        return folder


def random_asec(n_households: int, seed: int, first: int = 3) -> Asec:
    """Return households that were interviewed, of every composition, and a few that were not.

    A household is a couple, a single adult or a minor alone; perhaps with children, with a child's
    family (a related subfamily), and with a lodger who may have a child.
    """
    random = np.random.default_rng(seed)
    persons, families, households = [], [], []
    for position in range(n_households):
        number = first + 2 * position
        own = _members(random)
        persons += [{"PH_SEQ": number, **member} for member in own]
        last = max(member["PF_SEQ"] for member in own)
        families += [{"FH_SEQ": number, "FFPOS": family + 1} for family in range(last)]
        households.append({"H_SEQ": number, "H_HHTYPE": 1})
        if random.random() < 0.2:
            households.append({"H_SEQ": number + 1, "H_HHTYPE": int(random.integers(2, 4))})
    person = pd.DataFrame(persons)
    _describe(random, person)
    household = pd.DataFrame(households)
    size = len(household)
    household["HSUP_WGT"] = np.where(
        household["H_HHTYPE"] == 1, random.integers(20_000, 400_000, size), 0
    )
    household["GESTFIPS"] = random.choice(STATES, size)
    household["H_TENURE"] = random.integers(0, 4, size)
    household["GTCO"] = 0
    return Asec(person, pd.DataFrame(families), household)


def _members(random) -> list[dict]:
    """Return who lives in a household: lines, ages, relations and families."""
    members = []

    def add(age, code, kind, family, spm, **more):
        member = {"A_LINENO": len(members) + 1, "A_AGE": int(age), "A_EXPRRP": code}
        member |= {"A_FAMTYP": kind, "PF_SEQ": family, "spm": spm, "A_SPOUSE": 0}
        member |= {"A_MARITL": 7, "PEPAR1": -1, "PEPAR2": -1} | more
        members.append(member)
        return member

    def marry(one, other):
        one |= {"A_SPOUSE": other["A_LINENO"], "A_MARITL": 1}
        other |= {"A_SPOUSE": one["A_LINENO"], "A_MARITL": 1}

    if random.random() < 0.05:
        add(random.integers(15, 18), 2, 2, 1, 1)
        return members
    head = add(random.integers(18, 86), 1, 1, 1, 1, A_MARITL=int(random.choice([4, 5, 6, 7])))
    parents = {"PEPAR1": 1}
    if random.random() < 0.5:
        spouse = add(random.integers(18, 86), 4, 1, 1, 1)
        marry(head, spouse)
        parents["PEPAR2"] = spouse["A_LINENO"]
    for _ in range(random.integers(0, 4)):
        add(random.integers(0, 25), 5, 1, 1, 1, **parents)
    if random.random() < 0.2:
        child = add(random.integers(18, 40), 5, 3, 2, 1, **parents)
        if random.random() < 0.5:
            marry(child, add(random.integers(18, 40), 10, 3, 2, 1))
        add(random.integers(0, 10), 7, 3, 2, 1, PEPAR1=child["A_LINENO"])
    if random.random() < 0.2:
        last = members[-1]["PF_SEQ"] + 1
        lodger = add(random.integers(18, 80), 12, 4, last, 2)
        if random.random() < 0.5:
            add(random.integers(0, 18), 12, 4, last, 2, PEPAR1=lodger["A_LINENO"])
    if random.random() < 0.1:
        # A foster child who is an SPM unit alone.
        add(random.integers(0, 18), 11, 5, members[-1]["PF_SEQ"] + 1, 3)
    return members


def _describe(random, person: pd.DataFrame) -> None:
    """Add what the survey asks everybody."""
    size = len(person)
    adult = person["A_AGE"] >= 15
    person["SPM_ID"] = person["PH_SEQ"] * 1000 + person.pop("spm")
    person["A_SEX"] = random.integers(1, 3, size)
    person["PRDTRACE"] = random.integers(1, 27, size)
    person["PRDTHSP"] = random.integers(0, 9, size)
    for name in DOLLARS:
        some = random.random(size) < 0.15
        person[name] = np.where(adult & some, random.integers(1, 90_000, size), 0)
    for name in ("SEMP_VAL", "FRSE_VAL", "RNT_VAL"):
        person[name] *= random.choice([1, 1, 1, -1], size)
    person["PTOTVAL"] = person[list(DOLLARS[:15])].sum(axis=1)
    person["RESNSS1"] = np.where(person["SS_VAL"] > 0, random.integers(0, 9, size), 0)
    person["RESNSS2"] = np.where(person["RESNSS1"] > 0, random.integers(0, 9, size), 0)
    person["OI_OFF"] = np.where(person["OI_VAL"] > 0, random.integers(1, 21, size), 0)
    for name in ("DST_SC1", "DST_SC2", "DST_SC1_YNG", "DST_SC2_YNG"):
        paid = person[name.replace("SC", "VAL")] > 0
        person[name] = np.where(paid, random.integers(1, 8, size), 0)
    for name in ("DIS_SC1", "DIS_SC2"):
        paid = person[name.replace("SC", "VAL")] > 0
        person[name] = np.where(paid, random.integers(1, 11, size), 0)
    for name in (*COVERAGES, *DIFFICULTIES):
        person[name] = np.where(random.random(size) < 0.1, 1, 2)
    person["A_HRS1"] = np.where(adult, random.integers(0, 80, size), -1)
    person["LKWEEKS"] = np.where(adult, random.integers(0, 53, size), -1)
    person["HRSWK"] = np.where(adult, random.integers(0, 80, size), 0)
    person["WKSWORK"] = np.where(adult, random.integers(0, 53, size), 0)
    student = (person["A_AGE"] > 15) & (person["A_AGE"] < 25) & (random.random(size) < 0.5)
    person["A_ENRLW"] = np.where(student, 1, 2)
    person["A_FTPT"] = np.where(student, random.integers(1, 3, size), 0)
    person["A_HSCOL"] = np.where(student, random.integers(1, 3, size), 0)
    for name in ("SPM_CAPHOUSESUB", "SPM_CHILDCAREXPNS", "SPM_ENGVAL"):
        unit = np.unique(person["SPM_ID"], return_inverse=True)[1]
        person[name] = (random.integers(0, 900, size) * (random.random(size) < 0.5))[unit]
    person["SPM_TENMORTSTATUS"] = random.integers(1, 4, size)[unit]
    # What is not read, in files with some eight hundred columns.
    person["PERIDNUM"] = [f"{number:022d}" for number in random.permutation(size)]
    person["MARSUPWT"] = random.integers(20_000, 400_000, size)
