# R's pROC on many sets of cases: the figures that gan_aug.evaluation.statistics.auc is held to.
#   Rscript proc_reference.R CASES.csv FIGURES.csv
# CASES has the columns set, label (0 or 1), a and b (two scores); FIGURES gets one row per set, with 17 digits.
suppressMessages(library(pROC))
args <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(args[1])
figures <- lapply(split(cases, cases$set), function(of_set) {
  curve <- function(score) roc(of_set$label, score, levels = c(0, 1), direction = "<", quiet = TRUE)
  a <- curve(of_set$a)
  b <- curve(of_set$b)
  enough <- min(table(factor(of_set$label, levels = c(0, 1)))) > 1
  interval <- if (enough) suppressWarnings(as.numeric(ci.auc(a, method = "delong"))) else rep(NA, 3)
  partial <- suppressWarnings(as.numeric(auc(a, partial.auc = c(1, 0.8), partial.auc.correct = TRUE,
                                             allow.invalid.partial.auc.correct = TRUE)))
  data.frame(
    set = of_set$set[1], auc = as.numeric(auc(a)), partial_auc = partial,
    variance = if (enough) suppressWarnings(var(a, method = "delong")) else NA,
    low = interval[1], high = interval[3],
    p = if (enough) suppressWarnings(roc.test(a, b, method = "delong", paired = TRUE)$p.value) else NA
  )
})
table <- do.call(rbind, figures)
table[] <- lapply(table, function(column) ifelse(is.na(column), "", formatC(column, digits = 17, format = "g")))
write.csv(table, args[2], row.names = FALSE, quote = FALSE)
