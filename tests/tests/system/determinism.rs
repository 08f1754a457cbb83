//! The same program with the same seed gives the same result, output and fuel, in any process and under load.

use std::collections::HashSet;

use aura_tests::{Client, ScriptedMind, Server};
use futures::future::join_all;

/// What could differ from run to run if anything could.
const PROGRAMS: [&str; 14] = [
    "return sorted(hash(x) for x in ('a', 'b', 1.5, (1, 2)))",
    "return list({'one', 'two', 'three', 'four'})",
    "return [id(object()) == id(object()), id(self), id('x')]",
    "import random\nreturn [random.random(), random.gauss(0, 1), random.sample(range(50), 5)]",
    "import uuid, secrets\nreturn [str(uuid.uuid4()), secrets.token_hex(4)]",
    "import time, datetime\nreturn [time.time() > 0, time.monotonic() == time.monotonic()]",
    "return [0.1 + 0.2, 2 ** 0.5, sum([0.1] * 10), -0.0]",
    "def down(n):\n    return down(n + 1)\ntry:\n    down(0)\nexcept RecursionError as error:\n    return str(error)",
    "class Node: pass\nfor _ in range(5000):\n    a, b = Node(), Node()\n    a.b, b.a = b, a\nreturn 'collected'",
    "return repr(object()), repr(lambda: 1), repr(Exception)",
    "import re\nreturn re.findall(r'(\\w)(\\d+)?', 'a12 b c3')",
    "return str(7 ** 2000)[-20:], 10 ** 40 // 7",
    "return f'{3.14159:>10.2f}|{\"é\":*^7}|{1234567:,}'",
    "raise ValueError(sorted({'x', 'y', 'z'}))",
];

/// Result, failure, output and fuel of one run.
async fn run(client: &Client, program: usize) -> String {
    let record = client
        .message(&format!(r#"{{"target_object_id":"system","method_name":"program{program}","seed":11}}"#))
        .await;
    let failure = record.error.map(|error| format!("{} {}", error.kind, error.message));
    format!("{} {failure:?} {} {}", record.result, record.output, record.fuel_used)
}

#[tokio::test]
async fn one_outcome_and_one_fuel_figure_each() {
    let mind = ScriptedMind::start().await;
    let mut outcomes: Vec<HashSet<String>> = vec![HashSet::new(); PROGRAMS.len()];
    for _process in 0..2 {
        let server = Server::start(&mind);
        let client = server.client();
        for (number, program) in PROGRAMS.iter().enumerate() {
            let body = serde_json::json!({ "source": program }).to_string();
            let answer = client.send("PUT", &format!("/objects/system/methods/program{number}"), &body).await;
            assert_eq!(answer.status, 201, "{program}: {}", answer.text);
        }
        let everything = (0..5).flat_map(|_| 0..PROGRAMS.len());
        let ran = join_all(everything.map(async |number| (number, run(client, number).await))).await;
        for (number, outcome) in ran {
            outcomes[number].insert(outcome);
        }
    }
    for (outcome, program) in outcomes.iter().zip(PROGRAMS) {
        assert_eq!(outcome.len(), 1, "{program}: {outcome:#?}");
    }
}
