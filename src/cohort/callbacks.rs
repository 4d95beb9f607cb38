//! Callbacks of old configurations → settings of today.

use serde_json::Value;

use super::flatten::quoted;

/// What becomes of a callback.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Callback {
    /// A setting, its value as TOML.
    Setting(&'static str, String),
    /// It is done without being asked for.
    Always,
    /// It has no counterpart.
    Unknown,
}

/// What becomes of one: its path, or a list of its path and what it is given.
pub(super) fn translate(callback: &Value) -> Callback {
    let (path, given) = match callback {
        Value::String(path) => (path.as_str(), &Value::Null),
        Value::Array(items) => match items.as_slice() {
            [Value::String(path)] => (path.as_str(), &Value::Null),
            [Value::String(path), given] => (path.as_str(), given),
            _ => return Callback::Unknown,
        },
        _ => return Callback::Unknown,
    };
    let name = path.rsplit('.').next().unwrap_or_default().replace('_', "");
    match name.as_str() {
        "earlystoppingmanual" => stopping(given),
        "activityprojector" => Callback::Setting("tensorboard", "true".to_owned()),
        "activitylogger" | "gradientlogger" | "metricslogger" => Callback::Always,
        _ => Callback::Unknown,
    }
}

/// Early stopping at a given accuracy, with its monitor and its value, in order or by name.
fn stopping(given: &Value) -> Callback {
    let at = |place: usize, name: &str| match given {
        Value::Array(items) => items.get(place),
        Value::Object(fields) => fields.get(name),
        _ => None,
    };
    let monitor = at(0, "monitor").and_then(Value::as_str).map(|monitor| format!("monitor = {}", quoted(monitor)));
    let value = at(1, "value").and_then(Value::as_f64).map(|value| format!("value = {value:?}"));
    let fields: Vec<String> = monitor.into_iter().chain(value).collect();
    let rule = if fields.is_empty() { "true".to_owned() } else { format!("{{ {} }}", fields.join(", ")) };
    Callback::Setting("early_stopping", rule)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_callback_of_the_system_before() {
        let stopping = |rule: &str| Callback::Setting("early_stopping", rule.to_owned());
        for (callback, expected) in [
            (json!("callbacks.earlystopping_manual"), stopping("true")),
            (json!("callbacks.early_stopping_manual"), stopping("true")),
            (json!(["callbacks.earlystopping_manual", []]), stopping("true")),
            (json!(["callbacks.earlystopping_manual", ["val_acc", 0.9]]), stopping("{ monitor = \"val_acc\", value = 0.9 }")),
            (json!(["callbacks.earlystopping_manual", { "value": 0.8 }]), stopping("{ value = 0.8 }")),
            (json!("callbacks.activityprojector"), Callback::Setting("tensorboard", "true".into())),
            (json!("callbacks.metrics_logger"), Callback::Always),
            (json!("callbacks.mine"), Callback::Unknown),
            (json!(3), Callback::Unknown),
            (json!([]), Callback::Unknown),
        ] {
            assert_eq!(translate(&callback), expected, "{callback}");
        }
    }
}
