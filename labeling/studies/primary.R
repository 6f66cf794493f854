# The primary numbers of a study, computed again by R from fields.csv alone, and held against those of the report.
# Unpack the bundle, then: cd r && Rscript primary.R
# Base R is enough. With lmerTest installed the crossed models are held against the report as well.
# Ends with status 1 when a number differs by more than one part in a million (crossed models: one in a thousand).

read <- function(name, text) read.csv(name, na.strings = "", colClasses = setNames(rep("character", length(text)), text))
plan <- read("plan.csv", c("name", "value"))
planned <- function(name) plan$value[plan$name == name]
expected <- read("expected.csv", c("arm", "quantity"))
fields <- read("fields.csv", c("participant", "sequence", "arm", "counts"))
fields <- fields[fields$counts == "True", ]
reference <- planned("reference")
kind <- planned("design")
confidence <- as.numeric(planned("confidence"))
margin <- as.numeric(planned("quality_margin"))
measure <- planned("quality_measure")
found <- data.frame(arm = character(), quantity = character(), value = numeric())
note <- function(arm, quantity, value) {
  found <<- rbind(found, data.frame(arm = arm, quantity = quantity, value = value))
}

# One number for each reader and arm: seconds over reference cells, and the mean quality of the fields.
readers <- unique(fields[, c("participant", "sequence", "arm", "period")])
key <- paste(fields$participant, fields$arm, sep = "\r")
own <- paste(readers$participant, readers$arm, sep = "\r")
readers$rate <- as.vector(tapply(fields$active_s, key, sum)[own] / tapply(fields$reference_cells, key, sum)[own])
readers$quality <- as.vector(tapply(fields[[measure]], key, mean)[own])

# Means of two arms, and variances and covariance of these means.
moments <- function(arm, of, change = identity) {
  a <- readers[readers$arm == reference, ]
  b <- readers[readers$arm == arm, ]
  if (kind == "parallel") {
    x <- change(a[[of]])
    y <- change(b[[of]])
    df <- length(x) + length(y) - 2
    scale <- (1 / length(x) + 1 / length(y)) / df
    squares <- function(v) sum((v - mean(v))^2)
    return(list(a = mean(x), b = mean(y), aa = scale * squares(x), bb = scale * squares(y), ab = 0, df = df))
  }
  both <- merge(a, b, by = c("participant", "sequence"), suffixes = c("_a", "_b"))
  # What two periods differ by is the same for every reader of a sequence: +1 in the arm's, -1 in the reference's.
  periods <- sort(unique(c(both$period_a, both$period_b)))
  effects <- sapply(periods, function(p) (both$period_b == p) - (both$period_a == p))
  values <- cbind(change(both[[paste0(of, "_a")]]), change(both[[paste0(of, "_b")]]))
  model <- lm(values ~ effects)
  # Every sequence counts alike in a mean, its readers share alike.
  weight <- 1 / (length(unique(both$sequence)) * table(both$sequence)[both$sequence])
  covariance <- crossprod(residuals(model)) / model$df.residual * sum(weight^2)
  centre <- as.vector(weight %*% values)
  list(a = centre[1], b = centre[2], aa = covariance[1, 1], bb = covariance[2, 2], ab = covariance[1, 2],
       df = model$df.residual)
}

error <- function(m) sqrt(m$bb - 2 * m$ab + m$aa)

for (arm in unique(expected$arm)) {
  m <- moments(arm, "rate")
  note(arm, "mean_reference", m$a)
  note(arm, "mean_arm", m$b)
  note(arm, "ratio", m$b / m$a)
  if (m$df > 0) {
    # Fieller: every ratio r for which (b - r a)^2 <= t^2 (bb - 2 r ab + r^2 aa).
    t2 <- qt((1 + confidence) / 2, m$df)^2
    square <- m$a^2 - t2 * m$aa
    half <- m$a * m$b - t2 * m$ab
    root <- sqrt(half^2 - square * (m$b^2 - t2 * m$bb))
    note(arm, "ratio_low", (half - root) / square)
    note(arm, "ratio_high", (half + root) / square)
    note(arm, "df", m$df)
    note(arm, "p", 2 * pt(-abs(m$b - m$a) / error(m), m$df))
    g <- moments(arm, "rate", log)
    reach <- qt((1 + confidence) / 2, g$df) * error(g)
    note(arm, "geometric_ratio", exp(g$b - g$a))
    note(arm, "geometric_low", exp(g$b - g$a - reach))
    note(arm, "geometric_high", exp(g$b - g$a + reach))
    q <- moments(arm, "quality")
    note(arm, "quality_difference", q$b - q$a)
    note(arm, "quality_low", q$b - q$a - qt(0.975, q$df) * error(q))
    note(arm, "quality_p", pt((q$b - q$a + margin) / error(q), q$df, lower.tail = FALSE))
  }
}

crossed <- function(arm, name) {
  d <- fields[fields$arm %in% c(reference, arm), ]
  d$x <- ifelse(d$arm == arm, 0.5, -0.5)
  d$y <- if (name == "seconds") log(d$active_s / d$reference_cells) else d[[name]]
  for (column in c("participant", "field", "period", "sequence")) d[[column]] <- factor(d[[column]])
  terms <- "x"
  for (column in c("period", "sequence")) if (nlevels(d[[column]]) > 1) terms <- c(terms, column)
  # The random effects that the report could tell apart.
  random <- expected$quantity[expected$arm == arm & startsWith(expected$quantity, paste0("component_", name, "_"))]
  random <- sub(paste0("component_", name, "_"), "", random)
  ways <- c(reader = "(1 | participant)", slope = "(0 + x | participant)", field = "(1 | field)",
            field_slope = "(0 + x | field)")
  formula <- as.formula(paste("y ~", paste(c(terms, ways[random]), collapse = " + ")))
  control <- lme4::lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5),
                               check.conv.singular = "ignore", check.conv.grad = "ignore", check.conv.hess = "ignore")
  row <- suppressWarnings(suppressMessages(coef(summary(lmerTest::lmer(formula, d, control = control)))["x", ]))
  estimate <- row[["Estimate"]]
  reach <- qt((1 + confidence) / 2, row[["df"]]) * row[["Std. Error"]]
  change <- if (name == "seconds") exp else identity
  note(arm, paste0("crossed_", name, "_estimate"), change(estimate))
  note(arm, paste0("crossed_", name, "_low"), change(estimate - reach))
  note(arm, paste0("crossed_", name, "_high"), change(estimate + reach))
  note(arm, paste0("crossed_", name, "_df"), row[["df"]])
}

has_lmer <- requireNamespace("lmerTest", quietly = TRUE)
if (has_lmer) {
  for (arm in unique(expected$arm)) {
    for (name in c("seconds", "dice", "f1")) {
      is_there <- any(expected$arm == arm & expected$quantity == paste0("crossed_", name, "_estimate"))
      # Without any random effect there is nothing to fit as mixed model.
      has_effects <- any(expected$arm == arm & startsWith(expected$quantity, paste0("component_", name, "_")))
      if (is_there && has_effects) crossed(arm, name)
    }
  }
}

# What the report could not compute stands in none of its rows, so it is not compared.
compared <- merge(expected, found, by = c("arm", "quantity"), suffixes = c("_report", "_r"))
tolerance <- ifelse(startsWith(compared$quantity, "crossed_"), 1e-3, 1e-6)
apart <- abs(compared$value_report - compared$value_r) / pmax(abs(compared$value_report), 1e-9)
compared$same <- !is.na(apart) & (apart <= tolerance | abs(compared$value_report - compared$value_r) < 1e-9)
print(compared, digits = 10, row.names = FALSE)
if (!has_lmer) cat("lmerTest is not installed, so the crossed models were not compared.\n")
cat(sum(compared$same), "of", nrow(compared), "numbers are the same.\n")
if (!nrow(compared) || !all(compared$same)) quit(status = 1)
