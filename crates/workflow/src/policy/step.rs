//! Steps of approval.

use super::source::sources;
use super::terms::number;
use super::{Source, StepTerms, When};
use crate::document::{Table, Value};
use crate::limits;

/// The steps of a rule or of its extensions.
pub(super) fn steps(value: &Value<'_>) -> Vec<StepTerms> {
    let steps: Vec<StepTerms> = value.tables(limits::STEPS).iter().filter_map(step).collect();
    if !steps.is_empty() && steps.iter().all(|step| step.when != When::default()) {
        let what = "has a when in every step, so what none of them counts for would need nobody";
        value.wrong(what, "add a step without when");
    }
    if steps.iter().map(|step| step.need).sum::<usize>() > limits::REVIEWS {
        let what = format!("needs more than the {} people who can review one request", limits::REVIEWS);
        value.wrong(what, "lower need");
    }
    steps
}

fn step(table: &Table<'_>) -> Option<StepTerms> {
    let from = table.need("from", "say who may agree, for example from = [\"group:leads\"]");
    let need = table.get("need");
    let when_table = table.table("when");
    let when = When {
        longer_than: when_table.get("longer_than").and_then(|value| value.span()),
        more_hosts_than: number(&when_table, "more_hosts_than", 1..=access::limits::HOSTS as u64),
    };
    if table.has("when") && when_table.is_empty() {
        when_table.lacks("", "says nothing", "write longer_than or more_hosts_than, or remove it");
    }
    when_table.done();
    table.done();
    let from = sources(&from?);
    let people = match &need {
        Some(need) => need.number(1..=limits::REVIEWS as u64)?,
        None => 1,
    };
    let need_people = usize::try_from(people).ok()?;
    let named = from.iter().all(|source| !matches!(source, Source::Group(_))).then_some(from.len());
    if let (Some(value), Some(named)) = (&need, named.filter(|named| *named < need_people)) {
        value.wrong(format!("{people} people are needed of {named} named"), "name more, or lower need");
    }
    (!from.is_empty()).then_some(StepTerms { from, need: need_people, when })
}
