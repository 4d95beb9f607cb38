//! Every estimator that a sample allows, side by side.

use std::time::Instant;

use serde_json::{Value, json};

use super::answer::{Answer, Draws, Question};
use super::sample::Sample;
use super::{EstimateArguments, details};
use crate::cli::exit::{Exit, Failure};
use crate::cli::print::print;
use crate::estimate::Correction;
use crate::estimate::spec::{METHODS, Takes};
use crate::math::exec::Exec;

/// Estimates by every method for files, with its default parameters, and prints a table.
pub fn compare(
    sample: &Sample,
    draws: &Draws,
    correction: Option<Correction>,
    exec: Exec,
    arguments: &EstimateArguments,
    quiet: bool,
) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for method in METHODS.iter().filter(|method| method.files != Takes::Nothing) {
        // The correction is for plug-in entropies; the others stand beside them as they are.
        let question = Question { spec: method.default, correction: correction.filter(|_| method.name == "binning") };
        let start = Instant::now();
        let answer = question.answer(sample, draws, exec);
        rows.push((question, answer, start.elapsed().as_secs_f64()));
    }
    if arguments.json {
        let one = |(question, answer, seconds): &(Question, Result<Answer, String>, f64)| match answer {
            Ok(answer) => details(question, answer, sample, arguments, *seconds),
            Err(why) => json!({ "estimator": question.spec.name(), "value": null, "not_applicable": why }),
        };
        return print(format!("{:#}\n", rows.iter().map(one).collect::<Value>()).as_bytes());
    }
    let mut text = String::new();
    if !quiet {
        let (x, y) = sample.dims();
        let y = y.map_or_else(String::new, |y| format!(", y of {y}"));
        tell!("{} examples, x of {x} dimensions{y}", sample.examples());
        text.push_str("estimator      quantity                    value        unit  seconds  parameters\n");
    }
    for (question, answer, seconds) in &rows {
        let name = question.spec.name();
        match answer {
            Ok(answer) if quiet => {
                text.push_str(&format!("{name} {}\n", answer.estimate.value * arguments.scale(answer.estimate.unit)));
            }
            Ok(answer) => {
                let estimate = &answer.estimate;
                let scale = arguments.scale(estimate.unit);
                let (value, unit) = (estimate.value * scale, arguments.unit_name(estimate.unit).unwrap_or("-"));
                let spread = answer.spread.map_or_else(String::new, |s| format!("  ± {:.6}", s.standard_error * scale));
                let null = answer.null.map_or_else(String::new, |n| format!("  p = {}", n.p_value));
                let corrected = arguments.correction_name(question).map_or_else(String::new, |by| format!("  corrected by {by}"));
                let subtracted = answer.null.filter(|_| draws.shuffle_correct);
                let subtracted =
                    subtracted.map_or_else(String::new, |n| format!("  shuffled mean {:.6} subtracted", n.mean * scale));
                let line = format!("{name:13}  {:26}  {value:<11.6}  {unit:4}  {seconds:<7.4}", answer.quantity);
                text.push_str(&format!("{line}  {}{spread}{null}{corrected}{subtracted}\n", estimate.params));
            }
            Err(_) => {}
        }
    }
    print(text.as_bytes())?;
    if !quiet {
        for (question, answer, _) in &rows {
            match answer {
                Ok(answer) => answer.estimate.warnings.iter().for_each(|w| tell!("note: {}: {w}", question.spec.name())),
                Err(why) => tell!("left out: {}: {why}", question.spec.name()),
            }
        }
    }
    if rows.iter().all(|(_, answer, _)| answer.is_err()) {
        return Err(Failure::new(Exit::Invalid, "no estimator can be used on this sample"));
    }
    Ok(Exit::Done)
}
