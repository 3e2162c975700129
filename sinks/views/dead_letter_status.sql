-- Every dead letter once, with what became of it: how often it died, how often it was replayed, and whether it is
-- still to be mended. A message that died and was published again died twice; a payload of several parts is one letter.
--
-- @dead_letters dead_letter_id reason stage
-- fingerprint: Same cause, same fingerprint; of the last time it died.
-- error: What was wrong, in words, the last time it died. Never holds a value of the payload.
-- message_id: Pub/Sub's id of the message that died first.
-- published_at: When that message was published; NULL where unknown.
-- first_dead_at: When it died first.
-- last_dead_at: When it died last.
-- copies: How often it died.
-- attempts: The most deliveries a message of it took, where Pub/Sub counts them; NULL elsewhere.
-- payload_bytes: Size of its payload.
-- worker_version: Version of leadsync that gave up on it last.
-- replays: How often it was replayed.
-- last_replayed_at: When it was replayed last; NULL if it never was.
-- last_outcome: What became of it then: written, duplicate (the event was there already), filtered (it names an
--   erased lead) or dead.
-- last_replay_version: Version of leadsync that replayed it last.
-- event_id: The event that it became; NULL if it became none.
-- is_open: Whether it is still to be mended: no replay made rows of it, found them there, or left it out.
WITH died_rows AS (
  SELECT
    dead_letter_id, reason, stage, error, fingerprint, message_id, published_at, dead_at, attempts, worker_version,
    {{member "attributes" "leadsync_part"}} AS part,
    MAX(OCTET_LENGTH(payload)) AS part_bytes
  FROM {{relation "dead_letters"}}
  -- It keeps every row: tables may refuse a statement without a filter.
  WHERE dead_at >= {{instant "0001-01-01 00:00:00"}}
  GROUP BY dead_letter_id, reason, stage, error, fingerprint, message_id, published_at, dead_at, attempts, worker_version, part
),
deaths AS (
  SELECT
    dead_letter_id, reason, stage, error, fingerprint, message_id, published_at, dead_at, attempts, worker_version,
    SUM(part_bytes) AS bytes
  FROM died_rows
  GROUP BY dead_letter_id, reason, stage, error, fingerprint, message_id, published_at, dead_at, attempts, worker_version
),
letters AS (
  SELECT
    d.dead_letter_id, d.reason, d.stage, d.fingerprint, d.error,
    FIRST_VALUE(d.message_id) OVER (PARTITION BY d.dead_letter_id ORDER BY d.dead_at, COALESCE(d.message_id, '')) AS message_id,
    FIRST_VALUE(d.published_at) OVER (PARTITION BY d.dead_letter_id ORDER BY d.dead_at, COALESCE(d.message_id, '')) AS published_at,
    MIN(d.dead_at) OVER (PARTITION BY d.dead_letter_id) AS first_dead_at,
    d.dead_at AS last_dead_at,
    COUNT(*) OVER (PARTITION BY d.dead_letter_id) AS copies,
    MAX(d.attempts) OVER (PARTITION BY d.dead_letter_id) AS attempts,
    CAST(MAX(d.bytes) OVER (PARTITION BY d.dead_letter_id) AS INT64) AS payload_bytes,
    d.worker_version
  FROM deaths AS d
  QUALIFY ROW_NUMBER() OVER (
    PARTITION BY d.dead_letter_id ORDER BY d.dead_at DESC, d.fingerprint, COALESCE(d.message_id, '')
  ) = 1
),
replays_once AS (
  SELECT DISTINCT dead_letter_id, replayed_at, outcome, event_id, worker_version
  FROM {{relation "dead_letter_replays"}}
  WHERE replayed_at >= {{instant "0001-01-01 00:00:00"}}
),
replayed AS (
  SELECT
    dead_letter_id,
    COUNT(*) AS replays,
    MAX(replayed_at) AS last_replayed_at,
    {{latest "outcome" "replayed_at"}} AS last_outcome,
    {{latest "worker_version" "replayed_at"}} AS last_replay_version,
    {{latest "event_id" "replayed_at"}} AS event_id,
    COUNT(CASE WHEN outcome <> 'dead' THEN 1 END) = 0 AS is_open
  FROM replays_once
  GROUP BY dead_letter_id
)
SELECT
  l.dead_letter_id,
  l.reason,
  l.stage,
  l.fingerprint,
  l.error,
  l.message_id,
  l.published_at,
  l.first_dead_at,
  l.last_dead_at,
  l.copies,
  l.attempts,
  l.payload_bytes,
  l.worker_version,
  COALESCE(r.replays, 0) AS replays,
  r.last_replayed_at,
  r.last_outcome,
  r.last_replay_version,
  r.event_id,
  COALESCE(r.is_open, TRUE) AS is_open
FROM letters AS l
LEFT JOIN replayed AS r ON r.dead_letter_id = l.dead_letter_id
