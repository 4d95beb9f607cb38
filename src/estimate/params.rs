//! Parameters of estimators: what may stand as a value, and the macro that makes a checked struct of them.
//!
//! Cohort files, `--param`, the JSON schema, help and canonical text all read these tables, so none of them is ever out of step.

/// A value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A real number.
    Number(f64),
    /// A whole number.
    Integer(u64),
    /// A switch.
    Switch(bool),
    /// One of some names.
    Name(&'static str),
}

impl Value {
    /// As JSON; a real number always shows as one (`1.0`), in its shortest form that reads back the same.
    #[must_use]
    pub fn json(self) -> serde_json::Value {
        match self {
            Self::Number(v) => v.into(),
            Self::Integer(v) => v.into(),
            Self::Switch(v) => v.into(),
            Self::Name(v) => v.into(),
        }
    }

    /// As TOML and as people write it, names without quotes.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Number(v) => format!("{v:?}"),
            Self::Name(v) => v.to_owned(),
            other => other.json().to_string(),
        }
    }
}

/// Which values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// A real number, the ends included.
    Number {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// A whole number, the ends included.
    Integer {
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// `true` or `false`.
    Switch,
    /// One of some names.
    Name(&'static [&'static str]),
}

/// Numbers above zero of which squares of roots and quotients stay normal in single precision.
pub const POSITIVE: Domain = Domain::Number { min: super::error::DOMAIN.0, max: super::error::DOMAIN.1 };
/// Any number that single precision holds.
pub const ANY_NUMBER: Domain = Domain::Number { min: -super::error::DOMAIN.1, max: super::error::DOMAIN.1 };
/// Seeds stay below 2^53, so that every reader of the tables holds them exactly.
pub const SEED: Domain = Domain::Integer { min: 0, max: (1 << 53) - 1 };
/// Every so many recorded epochs: the parameter `every` of dependence measures.
pub const EVERY: Domain = Domain::Integer { min: 1, max: 1_000_000 };

impl Domain {
    /// What is expected, as in "expected …".
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Number { min, max } if min > 0.0 && max >= 1e6 => format!("a number above 0, from {min:e} to {max:e}"),
            Self::Number { min, max } if max >= 1e6 => format!("a finite number from {min:e} to {max:e}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Integer { min, max } => format!("an integer from {min} to {max}"),
            Self::Switch => "true or false".to_owned(),
            Self::Name([name]) => format!("\"{name}\""),
            Self::Name(names) => {
                format!("one of {}", names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// The number as a value, if it is one of them.
    #[must_use]
    pub fn number(self, value: f64) -> Option<Value> {
        match self {
            Self::Number { min, max } => (min..=max).contains(&value).then_some(Value::Number(value)),
            _ => None,
        }
    }

    /// The whole number as a value, if it is one of them; where a real number is asked for, it is one.
    #[must_use]
    pub fn integer(self, value: i128) -> Option<Value> {
        match self {
            Self::Integer { min, max } => u64::try_from(value).ok().filter(|v| (min..=max).contains(v)).map(Value::Integer),
            _ => self.number(value as f64),
        }
    }

    /// The switch as a value, if one is asked for.
    #[must_use]
    pub fn switch(self, value: bool) -> Option<Value> {
        (self == Self::Switch).then_some(Value::Switch(value))
    }

    /// The name as a value, if it is one of them.
    #[must_use]
    pub fn name(self, value: &str) -> Option<Value> {
        match self {
            Self::Name(names) => names.iter().find(|name| **name == value).map(|name| Value::Name(name)),
            _ => None,
        }
    }

    /// The value that a text of the command line gives.
    #[must_use]
    pub fn parse(self, text: &str) -> Option<Value> {
        match self {
            Self::Number { .. } => text.parse().ok().and_then(|v| self.number(v)),
            Self::Integer { .. } => text.parse().ok().and_then(|v| self.integer(v)),
            Self::Switch => text.parse().ok().and_then(|v| self.switch(v)),
            Self::Name(_) => self.name(text),
        }
    }
}

/// One parameter of an estimator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in cohort files and on the command line.
    pub name: &'static str,
    /// Which values it takes.
    pub domain: Domain,
    /// What it means.
    pub meaning: &'static str,
}

/// A parameter that does not go with the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}`: expected {expected}")]
pub struct Conflict {
    /// The parameter.
    pub name: &'static str,
    /// What it should be.
    pub expected: String,
}

/// A checked set of parameters, made by `parameters!`.
pub trait Parameters: Copy + PartialEq + Default {
    /// All of them, in the order of the documentation.
    const TABLE: &'static [Parameter];

    /// Sets one; whether there is one of that name that takes such a value.
    fn set(&mut self, name: &str, value: Value) -> bool;

    /// Those that have a value.
    fn values(&self) -> Vec<(&'static str, Value)>;

    /// Whether they go together; see the macro.
    ///
    /// # Errors
    /// With the one to change.
    fn check(&self) -> Result<(), Conflict> {
        Ok(())
    }
}

/// A type that a parameter's field may have.
pub trait Field: Copy {
    /// The field as a value; nothing where it was left out.
    fn value(self) -> Option<Value>;
    /// The value as a field.
    fn from_value(value: Value) -> Option<Self>;
}

macro_rules! field {
    ($($ty:ty: $variant:ident),+) => {
        $(impl Field for $ty {
            fn value(self) -> Option<Value> {
                Some(Value::$variant(self.into()))
            }
            fn from_value(value: Value) -> Option<Self> {
                match value {
                    Value::$variant(v) => v.try_into().ok(),
                    _ => None,
                }
            }
        })+
    };
}

field!(f64: Number, u32: Integer, u64: Integer, bool: Switch);

impl<T: Field> Field for Option<T> {
    fn value(self) -> Option<Value> {
        self.and_then(Field::value)
    }
    fn from_value(value: Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }
}

/// Makes an enum whose variants are the names that a parameter takes: `names! { /// Docs. Kernel { /// Docs. Gaussian = "gaussian", … } }`.
/// Its domain is `Kernel::DOMAIN`, its first variant the default.
macro_rules! names {
    ($(#[$meta:meta])* $ty:ident { $(#[$about:meta])* $first:ident = $first_name:literal, $($(#[$also:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $ty {
            $(#[$about])*
            #[default]
            $first,
            $($(#[$also])* $variant,)*
        }

        impl $ty {
            /// The names, in the order of the documentation.
            pub const DOMAIN: $crate::estimate::params::Domain =
                $crate::estimate::params::Domain::Name(&[$first_name, $($name,)*]);

            /// The name in cohort files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::$first => $first_name,
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl $crate::estimate::params::Field for $ty {
            fn value(self) -> Option<$crate::estimate::params::Value> {
                Some($crate::estimate::params::Value::Name(self.name()))
            }
            fn from_value(value: $crate::estimate::params::Value) -> Option<Self> {
                [Self::$first, $(Self::$variant,)*].into_iter().find(|one| Some(value) == one.value())
            }
        }
    };
}

/// Makes the struct of an estimator's parameters with its table: a field a parameter, its documentation the meaning that users read.
///
/// ```ignore
/// parameters! {
///     /// Parameters of Kraskov's estimators.
///     Ksg {
///         /// neighbours
///         k: u32 = 3, Domain::Integer { min: 1, max: 1000 };
///         /// bandwidth; by Silverman's rule if not given
///         bandwidth: Option<f64> = None, POSITIVE;
///     }
/// }
/// ```
///
/// Fields are `f64`, `u32`, `u64`, `bool`, an enum made by [`names!`], or an `Option` of one (left out of the canonical text while
/// `None`). Where parameters may contradict each other, end with `check |parameters| { … }`, which gives a `Result<(), Conflict>`.
macro_rules! parameters {
    ($(#[$meta:meta])* $ty:ident { $(#[doc = $meaning:literal] $name:ident: $field:ty = $default:expr, $domain:expr;)* } $(check |$this:ident| $check:expr)?) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $ty {
            $(#[doc = $meaning] pub $name: $field,)*
        }

        impl $ty {
            /// What holds where nothing is said.
            pub const DEFAULT: Self = Self { $($name: $default,)* };
        }

        impl Default for $ty {
            fn default() -> Self {
                Self::DEFAULT
            }
        }

        impl $crate::estimate::params::Parameters for $ty {
            const TABLE: &'static [$crate::estimate::params::Parameter] = &[$($crate::estimate::params::Parameter {
                name: stringify!($name),
                domain: $domain,
                meaning: $meaning.trim_ascii(),
            },)*];

            fn set(&mut self, name: &str, value: $crate::estimate::params::Value) -> bool {
                $(if name == stringify!($name) {
                    let value = <$field as $crate::estimate::params::Field>::from_value(value);
                    return value.map(|value| self.$name = value).is_some();
                })*
                false
            }

            fn values(&self) -> Vec<(&'static str, $crate::estimate::params::Value)> {
                let all = [$((stringify!($name), $crate::estimate::params::Field::value(self.$name)),)*];
                all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
            }

            $(fn check(&self) -> Result<(), $crate::estimate::params::Conflict> {
                let $this = self;
                $check
            })?
        }
    };
}

pub(super) use {names, parameters};

#[cfg(test)]
mod tests {
    use super::*;

    names! {
        /// A choice.
        Choice {
            /// The first.
            One = "one",
            /// The second.
            Two = "two",
        }
    }

    parameters! {
        /// Of every kind.
        Every {
            /// a number
            number: f64 = 1.0, POSITIVE;
            /// a count
            count: u32 = 3, Domain::Integer { min: 1, max: 9 };
            /// a seed
            seed: u64 = 0, SEED;
            /// a switch
            switch: bool = false, Domain::Switch;
            /// a choice
            choice: Choice = Choice::One, Choice::DOMAIN;
            /// a number that may be left out
            width: Option<f64> = None, ANY_NUMBER;
        }
        check |all| if all.switch && all.width.is_some() {
            Err(Conflict { name: "width", expected: "no width with the switch".to_owned() })
        } else {
            Ok(())
        }
    }

    #[test]
    fn values_are_set_by_name_and_checked() {
        let mut every = Every::default();
        assert_eq!(every.values().len(), 5);
        for parameter in Every::TABLE {
            let text = match parameter.name {
                "switch" => "true",
                "choice" => "two",
                _ => "7",
            };
            let value = parameter.domain.parse(text).unwrap();
            assert!(every.set(parameter.name, value), "{parameter:?}");
            assert!(every.values().contains(&(parameter.name, value)));
            assert!(parameter.domain.parse("ten").is_none() && !parameter.meaning.is_empty());
        }
        assert_eq!(every.check().unwrap_err().name, "width");
        assert!(!every.set("other", Value::Number(1.0)) && !every.set("count", Value::Number(1.0)));
        assert_eq!((every.count, every.width, every.choice), (7, Some(7.0), Choice::Two));
    }

    #[test]
    fn domains_hold_at_their_ends() {
        let count = Domain::Integer { min: 1, max: 9 };
        assert_eq!([0, 1, 9, 10].map(|v| count.integer(v).is_some()), [false, true, true, false]);
        assert_eq!([0.0, -1.0, 1e-31, 1e31, f64::NAN].map(|v| POSITIVE.number(v)), [None; 5]);
        assert_eq!(POSITIVE.integer(1), Some(Value::Number(1.0)));
        assert_eq!(count.number(1.0), None);
        assert_eq!(Domain::Switch.parse("yes"), None);
        assert_eq!(POSITIVE.describe(), "a number above 0, from 1e-30 to 1e30");
        assert_eq!(Choice::DOMAIN.describe(), "one of \"one\", \"two\"");
    }
}
