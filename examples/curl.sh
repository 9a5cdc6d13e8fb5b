#!/usr/bin/env bash
# Events and questions by curl alone.
set -euo pipefail

url="${RTA_URL:-http://127.0.0.1:8080}"
ingest="${RTA_INGEST_URL:-http://127.0.0.1:8081}"
key=(-H "x-api-key: ${RTA_API_KEY:-}")
[ -n "${RTA_API_KEY:-}" ] || key=()
json=(-H 'content-type: application/json')
curl=(curl --silent --show-error --fail-with-body)

# One plain event.
"${curl[@]}" "${key[@]}" "${json[@]}" "$ingest/events" \
  -d '{"user_id":"ada","event_type":"page_view","properties":{"page":"/"}}'
echo

# A typed one.
"${curl[@]}" "${key[@]}" "${json[@]}" "$url/v1/events" -d '{
  "event": {
    "user_id": "ada", "event_type": "EVENT_TYPE_USER",
    "timestamp": "'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'",
    "user_event": {"action": "click"}
  }
}'
echo

# Several, packed.
printf '%s\n' '{"user_id":"bob","event_type":"page_view"}' '{"user_id":"cy","event_type":"page_view"}' |
  gzip | "${curl[@]}" "${key[@]}" "$ingest/events/batch" --data-binary @- \
  -H 'content-type: application/x-ndjson' -H 'content-encoding: gzip'
echo

# The last 24 hours.
"${curl[@]}" "${key[@]}" "$url/v1/analytics/summary"
echo

# Two seconds of live windows; curl ends with 28 when its time is over.
"${curl[@]}" "${key[@]}" -N --max-time 2 "$url/v1/live?window_seconds=60" || [ $? -eq 28 ]
