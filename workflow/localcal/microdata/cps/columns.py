"""The columns of the CPS ASEC that are read, and what becomes of them in the model.

Left to the model are the benefits that it computes (SNAP, SSI, TANF, school meals) and taxes.
"""

# Dollars of persons that the model has as the survey asks for them.
DOLLARS = {
    "child_support_expense": "CHSP_VAL",
    "child_support_received": "CSP_VAL",
    "educational_assistance": "ED_VAL",
    "employment_income": "WSAL_VAL",
    "farm_operations_income": "FRSE_VAL",
    "financial_assistance": "FIN_VAL",
    "health_insurance_premiums_without_medicare_part_b": "PHIP_VAL",
    # The survey does not ask how long they were held; nearly all net gains are long-term.
    "long_term_capital_gains": "CAP_VAL",
    "other_medical_expenses": "PMED_VAL",
    "over_the_counter_health_expenses": "POTC_VAL",
    "rental_income": "RNT_VAL",
    "self_employment_income": "SEMP_VAL",
    "survivor_benefits": "SRVS_VAL",
    "unemployment_compensation": "UC_VAL",
    "veterans_benefits": "VET_VAL",
    "workers_compensation": "WC_VAL",
}
# What may be negative.
LOSSES = ("SEMP_VAL", "FRSE_VAL", "RNT_VAL", "CAP_VAL")

# Weeks and hours; -1 is not in universe.
TIMES = {
    "hours_worked_last_week": "A_HRS1",
    "weekly_hours_worked": "HRSWK",
    "weeks_unemployed": "LKWEEKS",
    "weeks_worked": "WKSWORK",
}

# What is 1 for yes.
FLAGS = {
    "has_champva_health_coverage_at_interview": "NOW_CHAMPVA",
    "has_chip_health_coverage_at_interview": "NOW_PCHIP",
    "has_esi": "NOW_GRP",
    "has_indian_health_service_coverage_at_interview": "NOW_IHSFLG",
    "has_marketplace_health_coverage_at_interview": "NOW_MRK",
    "has_medicaid_health_coverage_at_interview": "NOW_CAID",
    "has_non_marketplace_direct_purchase_health_coverage_at_interview": "NOW_NONM",
    "has_other_means_tested_health_coverage_at_interview": "NOW_OTHMT",
    "has_tricare_health_coverage_at_interview": "NOW_MIL",
    "has_va_health_coverage_at_interview": "NOW_VACARE",
    "is_blind": "PEDISEYE",
}
# Serious difficulty dressing, hearing, seeing, going out, walking, remembering.
DIFFICULTIES = ("PEDISDRS", "PEDISEAR", "PEDISEYE", "PEDISOUT", "PEDISPHY", "PEDISREM")

# Distributions from retirement accounts, of up to two kinds before the age of 58 and after it.
DISTRIBUTIONS = (
    ("DST_SC1", "DST_VAL1"),
    ("DST_SC2", "DST_VAL2"),
    ("DST_SC1_YNG", "DST_VAL1_YNG"),
    ("DST_SC2_YNG", "DST_VAL2_YNG"),
)
# Disability income of up to two kinds.
DISABILITIES = (("DIS_SC1", "DIS_VAL1"), ("DIS_SC2", "DIS_VAL2"))

# Lines of the household that persons point to.
POINTERS = ("A_SPOUSE", "PEPAR1", "PEPAR2")

# What tells tax units apart beside the columns above.
TAX_UNIT_EVIDENCE = ("A_EXPRRP", "A_ENRLW", "A_FTPT", "A_HSCOL", "PTOTVAL")

_OTHERS = (
    *("PH_SEQ", "PF_SEQ", "A_LINENO", "SPM_ID", "A_AGE", "A_SEX", "A_MARITL", "A_FAMTYP"),
    *("PRDTRACE", "PRDTHSP", "INT_VAL", "DIV_VAL", "SS_VAL", "SSI_VAL", "RESNSS1", "RESNSS2"),
    *("PNSN_VAL", "ANN_VAL", "OI_OFF", "OI_VAL"),
    *("SPM_CAPHOUSESUB", "SPM_CHILDCAREXPNS", "SPM_ENGVAL", "SPM_TENMORTSTATUS"),
    *(name for pair in (*DISTRIBUTIONS, *DISABILITIES) for name in pair),
)
PERSON = tuple(
    sorted(
        {*_OTHERS, *POINTERS, *DIFFICULTIES, *TAX_UNIT_EVIDENCE}
        | {*DOLLARS.values(), *TIMES.values(), *FLAGS.values()}
    )
)
# Dollars that cannot be negative.
AMOUNTS = tuple(
    name
    for name in PERSON
    if name not in LOSSES and ("_VAL" in name or name in ("SPM_CHILDCAREXPNS", "SPM_ENGVAL"))
)
# The codes there are, where another one would be taken for one of them.
CODES = {
    "A_FAMTYP": range(1, 6),
    "A_MARITL": range(1, 8),
    "A_SEX": range(1, 3),
    "SPM_TENMORTSTATUS": range(1, 4),
}
TENURES = range(4)
FAMILY = ("FH_SEQ", "FFPOS")
HOUSEHOLD = ("H_SEQ", "H_HHTYPE", "H_TENURE", "GESTFIPS", "HSUP_WGT")
