# Calibrates the weights of some records to totals with R's package survey, in five ways.
#
#   Rscript calibrate.R RECORDS TOTALS LOWER UPPER WEIGHTS
#
# RECORDS: CSV with the column base and one column for each total. TOTALS: CSV with a line of names
# and a line of totals. LOWER, UPPER: bounds on weight / base, for the ways that have them. WEIGHTS:
# the CSV to write, one line per record and one column per way, below a comment that says what made
# it. Printed is how many seconds each way took.

suppressMessages(library(survey))

given <- commandArgs(trailingOnly = TRUE)
records <- read.csv(given[1])
totals <- unlist(read.csv(given[2]))
bounds <- as.numeric(given[3:4])
ways <- list(
  linear = list("linear", c(-Inf, Inf)), linear_bounded = list("linear", bounds),
  raking = list("raking", c(-Inf, Inf)), raking_bounded = list("raking", bounds),
  logit = list("logit", bounds)
)

design <- svydesign(ids = ~1, weights = ~base, data = records)
formula <- reformulate(names(totals), intercept = FALSE)
seconds <- c()
weights <- sapply(names(ways), function(name) {
  way <- ways[[name]]
  taken <- system.time(
    found <- calibrate(design, formula, totals, calfun = way[[1]], bounds = way[[2]],
                       epsilon = 1e-13, maxit = 1000)
  )
  seconds[name] <<- taken["elapsed"]
  sprintf("%.17g", weights(found))
})

out <- file(given[5], "w")
writeLines(paste0(
  "# Rscript calibrate.R records.csv totals.csv ", given[3], " ", given[4], " with ",
  R.version$version.string, " and survey ", packageVersion("survey")
), out)
write.csv(weights, out, row.names = FALSE, quote = FALSE)
close(out)
cat(sprintf("%s %.3f\n", names(seconds), seconds), sep = "")
