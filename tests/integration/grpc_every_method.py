"""Calls every method of every service of both packages, by code made from proto/.

    python grpc_every_method.py 127.0.0.1:PORT

Ends with code 0 when each answered as it should. The methods are those that the descriptors have:
one that is added to a service and not called here is a failure.
"""

import sys
import time

import grpc
from analytics import analytics_pb2 as old
from analytics import analytics_pb2_grpc as old_services
from analytics.v1 import analytics_pb2 as v1
from analytics.v1 import analytics_pb2_grpc as v1_services
from google.protobuf.empty_pb2 import Empty

TIMEOUT_S = 10
NOW_S = int(time.time())
HOUR_S = 3_600


def expect(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what} is {got!r}, not {wanted!r}")


def v1_event(user, action, seconds_ago):
    event = v1.Event(
        id=f"{user}-{action}",
        user_id=user,
        event_type=v1.EVENT_TYPE_USER,
        user_event=v1.UserEvent(action=action),
    )
    event.timestamp.seconds = NOW_S - seconds_ago
    return event


def v1_range():
    time_range = v1.TimeRange()
    time_range.start.seconds = NOW_S - HOUR_S
    time_range.end.seconds = NOW_S
    return time_range


def ingest_event(call):
    answer = call(v1.IngestEventRequest(event=v1_event("ada", "view", 60)), timeout=TIMEOUT_S)
    expect((answer.success, answer.event_id), (True, "ada-view"), "IngestEvent")


def ingest_events(call):
    nobody = v1_event("", "view", 60)
    events = [v1_event("bob", "view", 60), v1_event("ada", "buy", 30), nobody]
    answer = call(v1.IngestEventsRequest(events=events), timeout=TIMEOUT_S)
    expect((answer.processed_count, answer.failed_count), (2, 1), "IngestEvents")
    expect(answer.validation_errors[0].field, "events[2].user_id", "the field at fault")


def stream_events(call):
    requests = [v1.StreamEventsRequest(config=v1.StreamConfig(batch_size=2))]
    requests += [v1.StreamEventsRequest(event=v1_event("cyd", f"step{i}", 60)) for i in range(5)]
    answers = list(call(iter(requests), timeout=TIMEOUT_S))
    ids = [each.event_response.event_id for each in answers if each.HasField("event_response")]
    expect(ids, [f"cyd-step{i}" for i in range(5)], "StreamEvents")
    expect(answers[0].status.connected, True, "the status at the start")


def v1_summary(call):
    answer = call(v1.GetAnalyticsSummaryRequest(time_range=v1_range()), timeout=TIMEOUT_S)
    expect((answer.total_events, answer.unique_users, answer.complete), (8, 3, True), "the summary")


def v1_series(call):
    answer = call(
        v1.GetTimeSeriesRequest(
            time_range=v1_range(), metric="events", granularity=v1.TIME_GRANULARITY_MINUTE
        ),
        timeout=TIMEOUT_S,
    )
    expect(sum(point.value for point in answer.series), 8, "the series' sum")


def v1_live(call):
    answers = call(v1.GetRealTimeAnalyticsRequest(window_seconds=60), timeout=TIMEOUT_S)
    expect(len(next(answers).metrics) > 0, True, "whether a window has metrics")
    answers.cancel()


def v1_user(call):
    answer = call(
        v1.GetUserAnalyticsRequest(user_id="ada", time_range=v1_range(), include_events=True),
        timeout=TIMEOUT_S,
    )
    expect([event.id for event in answer.events], ["ada-buy", "ada-view"], "ada's events")


def v1_funnel(call):
    steps = [v1.FunnelStep(event_type="view"), v1.FunnelStep(event_type="buy")]
    answer = call(
        v1.GetFunnelAnalysisRequest(steps=steps, time_range=v1_range()), timeout=TIMEOUT_S
    )
    expect([step.users for step in answer.steps], [2, 1], "users by step")


def v1_health(call):
    expect(call(Empty(), timeout=TIMEOUT_S).healthy, True, "healthy")


def v1_metrics(call):
    answer = call(v1.GetMetricsRequest(metric_names=["events_total"]), timeout=TIMEOUT_S)
    expect({metric.name for metric in answer.metrics}, {"events_total"}, "the metrics' names")


def stream_metrics(call):
    answers = call(v1.GetMetricsRequest(metric_names=["events_total"]), timeout=TIMEOUT_S)
    expect(next(answers).name, "events_total", "the metric")
    answers.cancel()


def export_metrics(call):
    answer = call(v1.ExportMetricsRequest(format="prometheus"), timeout=TIMEOUT_S)
    expect("events_total" in answer.data, True, "whether the export has events_total")


def old_event(user):
    return old.Event(id=f"{user}-old", user_id=user, event_type="old_view", timestamp=NOW_S - 7_200)


def send_event(call):
    answer = call(old_event("ada"), timeout=TIMEOUT_S)
    expect((answer.success, answer.event_id), (True, "ada-old"), "SendEvent")


def send_batch(call):
    batch = old.BatchEventsRequest(events=[old_event("bob"), old.Event(id="bad")])
    answer = call(batch, timeout=TIMEOUT_S)
    expect((answer.processed_count, list(answer.failed_event_ids)), (1, ["bad"]), "the batch")


def old_health(call):
    expect(call(old.HealthRequest(), timeout=TIMEOUT_S).healthy, True, "healthy")


def old_stats(call):
    answer = call(old.ConsumerStatsRequest(), timeout=TIMEOUT_S)
    expect(answer.failed_events, 0, "failed events")


def old_summary(call):
    asked = old.AnalyticsSummaryRequest(**{"from": NOW_S - 3 * HOUR_S, "to": NOW_S - HOUR_S})
    answer = call(asked, timeout=TIMEOUT_S)
    expect((answer.total_events, answer.total_users), (2, 2), "the older summary")


def old_metrics(call):
    asked = {"metric_name": "events", "from": NOW_S - 3 * HOUR_S, "to": NOW_S - HOUR_S}
    answer = call(old.MetricsRequest(**asked), timeout=TIMEOUT_S)
    expect(sum(metric.value for metric in answer.metrics), 2, "the older series' sum")


CALLS = {
    "analytics.v1.EventIngestionService.IngestEvent": ingest_event,
    "analytics.v1.EventIngestionService.IngestEvents": ingest_events,
    "analytics.v1.EventIngestionService.StreamEvents": stream_events,
    "analytics.v1.EventIngestionService.Health": v1_health,
    "analytics.v1.AnalyticsService.GetAnalyticsSummary": v1_summary,
    "analytics.v1.AnalyticsService.GetTimeSeries": v1_series,
    "analytics.v1.AnalyticsService.GetRealTimeAnalytics": v1_live,
    "analytics.v1.AnalyticsService.GetUserAnalytics": v1_user,
    "analytics.v1.AnalyticsService.GetFunnelAnalysis": v1_funnel,
    "analytics.v1.AnalyticsService.Health": v1_health,
    "analytics.v1.MetricsService.GetMetrics": v1_metrics,
    "analytics.v1.MetricsService.StreamMetrics": stream_metrics,
    "analytics.v1.MetricsService.ExportMetrics": export_metrics,
    "analytics.v1.MetricsService.Health": v1_health,
    "analytics.ProducerService.SendEvent": send_event,
    "analytics.ProducerService.SendBatchEvents": send_batch,
    "analytics.ProducerService.GetProducerHealth": old_health,
    "analytics.ConsumerService.GetConsumerHealth": old_health,
    "analytics.ConsumerService.GetConsumerStats": old_stats,
    "analytics.AnalyticsService.GetAnalyticsSummary": old_summary,
    "analytics.AnalyticsService.GetMetrics": old_metrics,
    "analytics.AnalyticsService.GetAnalyticsHealth": old_health,
}


def main(address):
    services = {}
    for module, stubs in ((v1, v1_services), (old, old_services)):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                services[method.full_name] = (getattr(stubs, f"{service.name}Stub"), method.name)
    expect(set(CALLS), set(services), "the list of methods")
    with grpc.insecure_channel(address) as channel:
        for full_name, call in CALLS.items():
            stub, name = services[full_name]
            try:
                call(getattr(stub(channel), name))
            except Exception as error:
                raise SystemExit(f"{full_name}: {error}") from error
            print(full_name)


main(sys.argv[1])
