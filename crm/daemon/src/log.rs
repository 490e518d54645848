//! What operators read, on standard error: each line is one event with its fields.

use std::fmt;
use std::fmt::Write as _;

use controller::{Level, Note};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::options::LogForm;

/// Logs from here on. `SYSTOLE_LOG` (such as `debug`) says how much; `info` when it says nothing.
pub fn begin(form: LogForm) {
    let filter = EnvFilter::try_from_env("SYSTOLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber can only be set in tests, where the first one serves as well.
    let _ = match form {
        LogForm::Json => builder.event_format(Json).try_init(),
        LogForm::Text => builder.event_format(Text).try_init(),
    };
}

/// Writes an event of the node.
pub fn note(node: &str, note: &Note) {
    macro_rules! write_at {
        ($level:expr) => {
            tracing::event!(
                $level,
                node,
                event = note.event,
                resource = note.resource.as_deref(),
                operation = note.operation.as_deref(),
                on = note.on.as_deref(),
                rc = note.rc,
                ms = note.ms,
                "{}",
                note.message
            )
        };
    }
    match note.level {
        Level::Debug => write_at!(tracing::Level::DEBUG),
        Level::Info => write_at!(tracing::Level::INFO),
        Level::Warning => write_at!(tracing::Level::WARN),
        Level::Error => write_at!(tracing::Level::ERROR),
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // Taken from the clock that all namespaces of a machine share, so that several nodes' lines can be sorted.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |t| t.tv_sec() * 1_000_000 + t.tv_nsec() / 1000);
        fields.0.insert("mono_us".into(), now.into());
        fields.0.insert("level".into(), event.metadata().level().as_str().to_lowercase().into());
        writeln!(writer, "{}", Value::Object(fields.0))
    }
}

struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = |name: &str| fields.0.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => "error: ",
            tracing::Level::WARN => "warning: ",
            _ => "",
        };
        let mut line = format!("{} {level}{}", text("node"), text("message"));
        for name in ["rc", "ms"] {
            if let Some(value) = fields.0.get(name) {
                let _ = write!(line, " {name}={value}");
            }
        }
        // What a part of the node tells has a name and says all in words; who serves connections tells it in fields.
        let in_fields = !fields.0.contains_key("event");
        let told = |name: &&String| !matches!(name.as_str(), "node" | "message" | "rc" | "ms");
        for name in fields.0.keys().filter(|_| in_fields).filter(told) {
            let _ = match text(name) {
                number if number.is_empty() => write!(line, " {name}={}", fields.0[name]),
                words => write!(line, " {name}={words}"),
            };
        }
        writeln!(writer, "{}", line.trim_start())
    }
}
