"""A heartbeat's word on its card, for people."""

from typing import Any

GIB = 1 << 30
NO_GPU = "no GPU"


def summary(gpu: dict[str, Any]) -> str:
    """Return one line: state, temperature, memory and load."""
    if not gpu:
        return NO_GPU
    parts = [gpu.get("state"), _celsius(gpu.get("celsius")), _memory(gpu)]
    if "utilization" in gpu:
        parts.append(f"{gpu['utilization']} %")
    return " · ".join(part for part in parts if part)


def rows(gpu: dict[str, Any]) -> list[tuple[str, str]]:
    """Return all that is known of the card, as names and values."""
    if not gpu:
        return [("GPU", NO_GPU)]
    found = [
        ("state", _joined(": ", gpu.get("state"), gpu.get("reason"))),
        ("warning", gpu.get("warning", "")),
        ("GPU", _joined(" ", gpu.get("name"), gpu.get("uuid"))),
        ("temperature", _temperature(gpu)),
        ("memory's temperature", _celsius(gpu.get("memory_celsius"))),
        ("memory", _memory(gpu)),
        ("utilization", _with_unit(gpu.get("utilization"), "%")),
        ("power", _joined(" of ", *_watts(gpu))),
        ("clocks", _joined(", ", *_clocks(gpu))),
        ("held back by", ", ".join(gpu.get("clock_reasons", ())) or "nothing"),
        ("memory errors", _errors(gpu)),
        ("processes", _processes(gpu)),
        ("window", "half: it paused often" if "share" in gpu else ""),
    ]
    return [(name, text) for name, text in found if text]


def _joined(separator: str, *parts: Any) -> str:
    return separator.join(str(part) for part in parts if part)


def _with_unit(value: Any, unit: str) -> str:
    return "" if value is None else f"{value} {unit}"


def _celsius(value: Any) -> str:
    return _with_unit(value, "°C")


def _temperature(gpu: dict[str, Any]) -> str:
    limit = gpu.get("slowdown_celsius")
    text = _celsius(gpu.get("celsius"))
    return f"{text} (slows down at {limit} °C)" if text and limit else text


def _memory(gpu: dict[str, Any]) -> str:
    used, total = gpu.get("memory_used"), gpu.get("memory_total")
    if used is None or total is None:
        return ""
    return f"{used / GIB:.1f} of {total / GIB:.1f} GiB"


def _watts(gpu: dict[str, Any]) -> list[str]:
    figures = [gpu.get("watts"), gpu.get("watts_limit")]
    return [f"{figure:.0f} W" for figure in figures if figure is not None]


def _clocks(gpu: dict[str, Any]) -> list[str]:
    pairs = (("cores", gpu.get("sm_mhz")), ("memory", gpu.get("memory_mhz")))
    return [f"{name} {mhz} MHz" for name, mhz in pairs if mhz is not None]


def _errors(gpu: dict[str, Any]) -> str:
    if "ecc_uncorrected" not in gpu:
        return ""
    return (
        f"{gpu.get('ecc_corrected', 0)} corrected, {gpu['ecc_uncorrected']} not,"
        f" {gpu.get('ecc_uncorrected_lifetime', '?')} not over its life"
    )


def _processes(gpu: dict[str, Any]) -> str:
    texts = []
    for process in gpu.get("processes", ()):
        held = process.get("bytes")
        size = "?" if held is None else f"{held / GIB:.1f} GiB"
        texts.append(f"{process.get('pid')}: {size}")
    return ", ".join(texts)
