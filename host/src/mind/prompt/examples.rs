//! Worked examples: mandates and the answers they should get.
//!
//! Their code has no double quotes: small models escape those badly. Their names are far from what people ask for.

use super::question::Question;

/// A question and the body that answers it.
pub struct Example {
    pub question: Question<'static>,
    pub code: &'static str,
}

pub const EXAMPLES: [Example; 7] = [
    Example {
        question: question("announce_tea", "[]", "{}", "self.attributes['host'] (str)"),
        code: "\
host = self.attributes.get('host', 'friend')
text = f'{host}, tea is ready. Do come in!'
print(text)
return text
",
    },
    Example {
        question: question("heat_water", "[5]", "{}", "self.attributes['degrees'] (number)"),
        code: "\
degrees = self.attributes.get('degrees', 0)
degrees += args[0]
self.attributes['degrees'] = degrees
self._p_changed = True
return degrees
",
    },
    Example {
        question: question("keep_postcard", "[\"from Rome\"]", "{}", ""),
        code: "\
postcards = self.attributes.get('postcards', [])
postcards.append(args[0])
self.attributes['postcards'] = postcards
self._p_changed = True
return postcards
",
    },
    Example {
        question: question(
            "tally_pebbles",
            "[3]",
            "{\"colour\": \"grey\"}",
            "self.attributes['pebbles'] (dict)",
        ),
        code: "\
number = args[0]
colour = kwargs.get('colour', 'plain')
pebbles = self.attributes.get('pebbles', {})
pebbles[colour] = pebbles.get(colour, 0) + number
self.attributes['pebbles'] = pebbles
self._p_changed = True
return pebbles[colour]
",
    },
    Example {
        question: question("tea_hour", "[]", "{}", ""),
        code: "\
import datetime
hour = datetime.datetime.now().strftime('%H:%M')
return hour
",
    },
    Example {
        question: question("stack_cups", "[4]", "{}", ""),
        code: "\
def stack(cups):
    if cups <= 1:
        return cups
    return cups + stack(cups - 1)

return stack(args[0])
",
    },
    Example {
        question: question("middle_reading", "[[4.5, 9, 1]]", "{}", ""),
        code: "\
import statistics
readings = args[0]
return statistics.median(readings)
",
    },
];

const fn question(
    method: &'static str,
    args: &'static str,
    kwargs: &'static str,
    attributes: &'static str,
) -> Question<'static> {
    Question { object: "UvmObjects/kettle", method, args, kwargs, attributes, methods: "" }
}
