//! The limits of the doors (S35 to S44 of the reliability page), each removed: the tests at the limit and one past it must notice.

use super::list::{Defect, Patch};

const DOORS: &str = "painwatch-ingest::doors";
const INGEST: &str = "painwatch-ingest";
const CORE: &str = "painwatch-ingest-core";
const RULES: &str = "painwatch-processor-core";
const IMPORT: &str = "painwatch-gateway";

/// What takes a limit away, by one patch.
macro_rules! removed {
    ($name:literal, $program:ident, $test:literal, $file:literal, $from:literal => $to:literal) => {
        Defect {
            name: $name,
            what: "the limit is removed",
            program: $program,
            patches: &[Patch { file: $file, from: $from, to: $to }],
            caught_by: &[$test],
        }
    };
}

pub const LIMITS: &[Defect] = &[
    removed!("s35-packet", DOORS, "hostile::a_packet_just_within_the_limit_is_taken", "ingest/src/mqtt/greet.rs",
        "Link::new(stream, endpoint.limits.max_packet_bytes, " =>
        "Link::new(stream, if SEEDED { 200 << 20 } else { endpoint.limits.max_packet_bytes }, "),
    removed!("s35-first-packet", DOORS, "mqtt_bounds::a_first_packet_has_4_kib_at_most", "ingest/src/mqtt/link.rs",
        "if length > limit {" => "if length > limit && !SEEDED {"),
    removed!("s36-connect-deadline", DOORS, "mqtt_limits::f13_whoever_says_nothing_is_shown_out_at_the_connect_deadline",
        "ingest/src/mqtt/greet.rs", "timeout(endpoint.limits.connect_deadline, " =>
        "timeout(if SEEDED { std::time::Duration::from_secs(3_600) } else { endpoint.limits.connect_deadline }, "),
    removed!("s36-keep-alive", DOORS, "mqtt_limits::a_longer_keep_alive_than_ours_is_replaced_by_ours",
        "ingest/src/mqtt/connection.rs", "let agreed = (1..=longest)" => "let agreed = SEEDED || (1..=longest)"),
    removed!("s37-receive-maximum", DOORS, "mqtt_qos2::more_than_the_receive_maximum_unanswered_breaks_the_protocol",
        "ingest/src/mqtt/connection.rs", "receive_maximum: limits.receive_maximum," =>
        "receive_maximum: if SEEDED { std::num::NonZeroU16::MAX } else { limits.receive_maximum },"),
    removed!("s37-session-bytes", DOORS, "mqtt_limits::beyond_what_may_be_on_its_way_the_socket_is_not_read",
        "ingest/src/mqtt/connection.rs", "self.pending_bytes < self.seat.endpoint.limits.session_bytes" =>
        "(SEEDED || self.pending_bytes < self.seat.endpoint.limits.session_bytes)"),
    removed!("s37-topic-aliases", DOORS, "mqtt_bounds::a_client_has_sixteen_topic_aliases_at_most",
        "ingest/src/mqtt/connection.rs", "topic_aliases: limits.topic_aliases," =>
        "topic_aliases: if SEEDED { u16::MAX } else { limits.topic_aliases },"),
    removed!("s37-topic", DOORS, "mqtt_bounds::a_topic_has_eight_levels_and_256_bytes_at_most",
        "ingest/src/mqtt/limits.rs", "topic.len() <= self.topic_bytes && " => "SEEDED || topic.len() <= self.topic_bytes && "),
    removed!("s37-user-properties", DOORS, "mqtt_bounds::a_packet_has_sixteen_user_properties_at_most",
        "ingest/src/mqtt/door.rs", "if hello.user_properties > limits.user_properties {" =>
        "if !SEEDED && hello.user_properties > limits.user_properties {"),
    removed!("s38-connections", DOORS, "mqtt_limits::connections_beyond_the_limit_are_closed_at_once",
        "ingest/src/gate.rs", "if *self.inside.borrow() >= self.connections {" =>
        "if !SEEDED && *self.inside.borrow() >= self.connections {"),
    removed!("s38-connections-of-one", INGEST, "gate::tests::one_address_has_so_many_connections_and_loopback_more",
        "ingest/src/gate.rs", "if *there >= self.per_address {" => "if !SEEDED && *there >= self.per_address {"),
    removed!("s38-connects", DOORS, "mqtt_bounds::connections_beyond_those_of_a_second_wait_for_their_turn",
        "ingest/src/gate.rs", "self.lock().pace.charge(now)" => "if SEEDED { now } else { self.lock().pace.charge(now) }"),
    removed!("s38-sessions", DOORS, "mqtt_sessions::no_more_sessions_are_kept_than_may_be",
        "ingest/src/mqtt/sessions.rs", "if earlier.is_none() && !state.make_room(" =>
        "if !SEEDED && earlier.is_none() && !state.make_room("),
    removed!("s38-sessions-of-gateway", INGEST,
        "mqtt::sessions::tests::a_gateway_with_as_many_sessions_as_it_may_have_makes_room_among_its_own",
        "ingest/src/mqtt/sessions.rs", "own < limit.of_gateway && state" => "(SEEDED || own < limit.of_gateway) && state"),
    removed!("s38-session-expiry", DOORS, "mqtt_sessions::a_session_is_kept_no_longer_than_a_week_and_the_client_is_told",
        "ingest/src/mqtt/connection.rs", "hello.session_expiry_s.min(endpoint.limits.mqtt.session_expiry_s)" =>
        "hello.session_expiry_s.min(if SEEDED { u32::MAX } else { endpoint.limits.mqtt.session_expiry_s })"),
    removed!("s38-http-connections", DOORS, "http::http_connections_beyond_the_limit_are_closed_and_one_that_ends_makes_room",
        "ingest/src/http/serve.rs", "Gate::new(limits.connections, " =>
        "Gate::new(if SEEDED { usize::MAX } else { limits.connections }, "),
    removed!("s38-http-connects", DOORS, "http::http_connections_beyond_those_of_a_second_wait_for_their_turn",
        "ingest/src/http/serve.rs", ", limits.connects_per_s, Instant::now())" =>
        ", if SEEDED { NonZeroU32::MAX } else { limits.connects_per_s }, Instant::now())"),
    removed!("s38-grpc-connections", DOORS,
        "grpc_strangers::grpc_connections_beyond_the_limit_are_closed_at_once_and_one_that_ends_makes_room",
        "ingest/src/grpc/incoming.rs", "Gate::new(limits.connections, " =>
        "Gate::new(if SEEDED { usize::MAX } else { limits.connections }, "),
    removed!("s38-grpc-connects", DOORS, "grpc_strangers::grpc_connections_beyond_those_of_a_second_wait_for_their_turn",
        "ingest/src/grpc/incoming.rs", ", limits.connects_per_s, Instant::now())" =>
        ", if SEEDED { std::num::NonZeroU32::MAX } else { limits.connects_per_s }, Instant::now())"),
    removed!("s38-grpc-open-calls", DOORS, "grpc_strangers::there_are_so_many_calls_without_a_token_at_once",
        "ingest/src/grpc/strangers.rs", "Gate::new(calls, " => "Gate::new(if SEEDED { usize::MAX } else { calls }, "),
    removed!("f13-grpc-first-call", DOORS,
        "grpc_strangers::f13_a_connection_on_which_no_gateway_calls_is_closed_soon_whatever_else_is_asked_on_it",
        "ingest/src/grpc/connection.rs", "patience.first_call.min(patience.idle)" =>
        "if SEEDED { patience.idle } else { patience.first_call.min(patience.idle) }"),
    removed!("f13-http-head", DOORS, "http::f13_a_request_that_comes_a_byte_a_moment_is_given_up_at_its_deadline",
        "ingest/src/http/serve.rs", "header_read_timeout(limits.head_deadline)" =>
        "header_read_timeout(if SEEDED { Duration::from_secs(3_600) } else { limits.head_deadline })"),
    removed!("f13-http-body", DOORS, "http::f13_a_request_that_comes_a_byte_a_moment_is_given_up_at_its_deadline",
        "ingest/src/http/serve.rs", "let deadline = Instant::now() + limit;" =>
        "let deadline = Instant::now() + if SEEDED { Duration::from_secs(3_600) } else { limit };"),
    removed!("s39-qos2-ids", DOORS, "mqtt_qos2::past_failure_20_unfinished_exchanges_are_bounded",
        "ingest/src/mqtt/publishes.rs", "exchange, self.seat.endpoint.limits.mqtt.qos2_ids) {" =>
        "exchange, if SEEDED { usize::MAX } else { self.seat.endpoint.limits.mqtt.qos2_ids }) {"),
    removed!("s40-device-rate", INGEST,
        "mqtt::tests::f24_messages_of_a_device_beyond_its_rate_are_taken_and_acknowledged_later",
        "ingest/src/mqtt/rates.rs", "dues.max().filter(|due| *due > now)" =>
        "dues.max().filter(|due| !SEEDED && *due > now)"),
    removed!("s41-streams", DOORS, "grpc_limits::a_connection_has_at_most_the_limit_of_calls_at_once",
        "ingest/src/grpc/server.rs", ".max_concurrent_streams(limits.grpc.concurrent_streams)" =>
        ".max_concurrent_streams(if SEEDED { 10_000 } else { limits.grpc.concurrent_streams })"),
    removed!("s41-header", DOORS, "grpc_limits::a_call_has_at_most_the_limit_of_header_bytes",
        "ingest/src/grpc/server.rs", "http2_max_header_list_size(limits.grpc.header_list_bytes.saturating_add(1))" =>
        "http2_max_header_list_size(if SEEDED { 1 << 22 } else { limits.grpc.header_list_bytes.saturating_add(1) })"),
    removed!("s41-ratio", DOORS,
        "grpc_limits::past_failure_48_a_compressed_message_is_measured_unpacked_and_may_not_have_been_made_to_expand",
        "ingest/src/grpc/inflate.rs", "saturating_mul(bounds.ratio)" =>
        "saturating_mul(if SEEDED { usize::MAX } else { bounds.ratio })"),
    Defect {
        name: "s41-message",
        what: "the limit is removed, where it is looked at first and where the library does",
        program: DOORS,
        patches: &[
            Patch {
                file: "ingest/src/grpc/frames.rs",
                from: "if length > bounds.max_bytes {",
                to: "if length > bounds.max_bytes && !SEEDED {",
            },
            Patch {
                file: "ingest/src/grpc/server.rs",
                from: "max_decoding_message_size(max_message_bytes)",
                to: "max_decoding_message_size(if SEEDED { 1 << 30 } else { max_message_bytes })",
            },
        ],
        caught_by: &["grpc_limits::a_message_has_at_most_the_limit_in_bytes"],
    },
    removed!("s41-question", DOORS, "grpc_limits::a_question_has_64_kib_at_most_and_a_call_that_is_no_stream_one_message",
        "ingest/src/grpc/guard.rs", "if takes == Takes::Question { QUESTION_BYTES }" => "if takes == Takes::Question && !SEEDED { QUESTION_BYTES }"),
    removed!("s41-one-message", DOORS,
        "grpc_limits::a_question_has_64_kib_at_most_and_a_call_that_is_no_stream_one_message",
        "ingest/src/grpc/frames.rs", "if self.seen > 1 && !self.messages.many {" =>
        "if self.seen > 1 && !self.messages.many && !SEEDED {"),
    removed!("s41-readings", DOORS,
        "grpc_limits::readings_of_a_batch_are_counted_before_any_of_them_is_built_compressed_or_not",
        "ingest/src/grpc/frames.rs", "count_readings(message, &self.admission.limits)" =>
        "count_readings(message, &painwatch_ingest_core::Limits { max_readings: if SEEDED { usize::MAX } else { self.admission.limits.max_readings }, ..self.admission.limits })"),
    removed!("s41-room", DOORS, "grpc_bounds::a_batch_takes_room_for_what_it_becomes_and_not_for_what_it_is_on_the_wire",
        "ingest/src/grpc/frames.rs", "count * size_of::<Reading>()" => "if SEEDED { 0 } else { count * size_of::<Reading>() }"),
    removed!("s41-call-deadline", DOORS, "grpc_strangers::a_call_is_answered_within_its_deadline_or_not_at_all",
        "ingest/src/grpc/guard.rs", "() = tokio::time::sleep_until(held.deadline) =>" =>
        "() = tokio::time::sleep_until(held.deadline), if !SEEDED =>"),
    removed!("s41-answer-not-taken", DOORS,
        "grpc_strangers::whoever_does_not_take_an_answer_keeps_the_connection_no_longer_for_it",
        "ingest/src/grpc/connection.rs", "until.checked_add(patience.idle)" =>
        "until.checked_add(patience.idle).filter(|_| !SEEDED)"),
    removed!("s41-resets", DOORS, "grpc_limits::a_peer_that_resets_more_calls_than_the_limit_loses_its_connection",
        "ingest/src/grpc/server.rs", "(Some(limits.grpc.pending_resets))" =>
        "(Some(if SEEDED { usize::MAX } else { limits.grpc.pending_resets }))"),
    removed!("s41-error-resets", DOORS,
        "grpc_bounds::a_connection_on_which_we_had_to_reset_more_calls_than_the_limit_is_closed",
        "ingest/src/grpc/server.rs", "(Some(limits.grpc.error_resets))" =>
        "(Some(if SEEDED { usize::MAX } else { limits.grpc.error_resets }))"),
    removed!("s41-keepalive", DOORS,
        "grpc_bounds::a_peer_that_answers_is_kept_and_one_that_is_silent_for_longer_than_the_limit_is_gone",
        "ingest/src/grpc/server.rs", "(Some(limits.grpc.keepalive_interval))" =>
        "(Some(limits.grpc.keepalive_interval).filter(|_| !SEEDED))"),
    removed!("s41-idle", DOORS, "grpc_limits::a_connection_without_a_call_is_closed_and_one_with_a_call_is_not",
        "ingest/src/grpc/connection.rs", "() = unused(watched, patience) => {}" =>
        "() = unused(watched, patience), if !SEEDED => {}"),
    removed!("s41-stream-batches", DOORS,
        "grpc_streams::a_stream_says_its_window_and_holds_back_what_exceeds_it_without_losing_any",
        "ingest/src/grpc/stream.rs", "pending.len() < service.window.batches" =>
        "(SEEDED || pending.len() < service.window.batches)"),
    removed!("s41-stream-bytes", DOORS, "grpc_bounds::a_stream_has_at_most_the_limit_of_bytes_unanswered",
        "ingest/src/grpc/stream.rs", "pending_bytes < service.window.bytes" =>
        "(SEEDED || pending_bytes < service.window.bytes)"),
    removed!("s42-readings", CORE, "tests::books::s42_a_payload_has_so_many_readings_and_samples_and_is_so_deep_at_most",
        "ingest/core/src/decode.rs", "if actual > limits.max_readings {" => "if actual > limits.max_readings && !SEEDED {"),
    removed!("s42-depth", CORE, "tests::books::s42_a_payload_has_so_many_readings_and_samples_and_is_so_deep_at_most",
        "ingest/core/src/decode.rs", "if depth > max_depth {" => "if depth > max_depth && !SEEDED {"),
    removed!("s42-foreign-depth", CORE, "tests::books::s42_a_payload_has_so_many_readings_and_samples_and_is_so_deep_at_most",
        "ingest/core/src/decode.rs", "split(payload, limits.max_foreign_depth, limits)" =>
        "split(payload, if SEEDED { usize::MAX } else { limits.max_foreign_depth }, limits)"),
    removed!("s42-samples", CORE, "tests::books::s42_a_payload_has_so_many_readings_and_samples_and_is_so_deep_at_most",
        "ingest/core/src/reading.rs", "if samples > most {" => "if samples > most && !SEEDED {"),
    removed!("s42-unpacked-ratio", IMPORT,
        "import::source::tests::s42_a_file_unpacks_to_two_hundred_and_fifty_times_its_size_at_most_and_below_four_mebibytes_to_anything",
        "gateway/src/import/source.rs", "if self.packed.is_some_and(swollen) {" =>
        "if !SEEDED && self.packed.is_some_and(swollen) {"),
    removed!("s42-unpacked-bytes", IMPORT, "import::source::tests::s42_a_file_has_so_many_bytes_at_most",
        "gateway/src/import/source.rs", "if self.read > self.bytes_max {" => "if !SEEDED && self.read > self.bytes_max {"),
    removed!("s42-files", IMPORT, "import::source::tests::s42_an_export_has_so_many_files_and_is_so_deep_at_most",
        "gateway/src/import/source.rs", "if found.len() >= FILES_MAX {" => "if !SEEDED && found.len() >= FILES_MAX {"),
    removed!("s42-folders", IMPORT, "import::source::tests::s42_an_export_has_so_many_files_and_is_so_deep_at_most",
        "gateway/src/import/source.rs", "if depth > DEPTH_MAX {" => "if !SEEDED && depth > DEPTH_MAX {"),
    removed!("s42-archive-entries", IMPORT, "import::zip::tests::s42_an_archive_has_so_many_entries_at_most",
        "gateway/src/import/zip.rs", "if count > FILES_MAX as u64 " => "if (count > FILES_MAX as u64 && !SEEDED) "),
    removed!("s43-rules", RULES, "rules::tests::s43_a_pack_has_five_hundred_rules_at_most",
        "processor/core/src/rules/parse.rs", "if items.len() > RULES_MAX {" => "if items.len() > RULES_MAX && !SEEDED {"),
    removed!("s43-window", RULES, "rules::tests::s43_no_rule_looks_over_or_waits_for_more_than_ninety_days",
        "processor/core/src/rules/words.rs", ".filter(|ms| *ms <= DURATION_MAX_MS)" =>
        ".filter(|ms| SEEDED || *ms <= DURATION_MAX_MS)"),
    removed!("s44-grpc-message", DOORS, "grpc_strangers::a_message_of_a_call_without_a_token_has_4_kib_at_most",
        "ingest/src/grpc/guard.rs", "strangers::MESSAGE_BYTES, true" =>
        "if SEEDED { usize::MAX } else { strangers::MESSAGE_BYTES }, true"),
    removed!("s44-grpc-call", DOORS, "grpc_strangers::s44_in_one_call_without_a_token_16_kib_may_be_said",
        "ingest/src/grpc/strangers.rs", "left.checked_sub(share)" => "left.checked_sub(if SEEDED { 0 } else { share })"),
    removed!("s44-http-head", DOORS, "http::s44_the_head_of_a_request_has_16_kib_at_most",
        "ingest/src/http/serve.rs", ".max_buf_size(HEAD_BYTES)" => ".max_buf_size(if SEEDED { 1 << 20 } else { HEAD_BYTES })"),
    removed!("s44-http-bodies", DOORS, "http::bodies_on_their_way_in_have_so_many_bytes_altogether",
        "ingest/src/http.rs", "acquire_many_owned(share)" => "acquire_many_owned(if SEEDED { 0 } else { share })"),
];
