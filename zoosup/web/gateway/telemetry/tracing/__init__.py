"""OpenTelemetry traces, one a request, where the standard variables name a collector. Needs the extra `zoosup[otel]`.

`setup` reads whether that is so; `exporter` sends spans, in a thread of the SDK's; `spans` is the record of a request
(`access_log.record`) whose steps are spans, and `starts` finds the starts of models that it waited for. The library is
imported only where traces are asked for.
Refuses to know connections and models: whoever works with a request tells its record.
"""
