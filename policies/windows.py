"""When counting windows begin and when quiet hours are, in the business's time zone."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.quantities import CalendarPeriod, Duration, QuietHours


def window_start(window: Duration | CalendarPeriod, now: datetime, zone: ZoneInfo) -> datetime:
    """Since when a limit counts at `now` (aware), in the zone of `now`; a week begins on Monday.

    A duration reaches back from `now`. A calendar period begins at local midnight; where the clocks skip midnight, at
    the moment they skip it, and where midnight comes twice, at the first.

    >>> from datetime import UTC
    >>> window_start(CalendarPeriod.DAY, datetime(2026, 7, 1, 1, 0, tzinfo=UTC), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-06-30T22:00:00+00:00'
    """
    if isinstance(window, Duration):
        return now - timedelta(seconds=window.seconds)
    day = now.astimezone(zone).date()
    match window:
        case CalendarPeriod.WEEK:
            day -= timedelta(days=day.weekday())
        case CalendarPeriod.MONTH:
            day = day.replace(day=1)
        case CalendarPeriod.YEAR:
            day = day.replace(month=1, day=1)
    return datetime.combine(day, time.min, zone).astimezone(now.tzinfo)


def is_quiet(hours: QuietHours, now: datetime, zone: ZoneInfo) -> bool:
    """Whether `now` (aware) lies in [start, end) of the local day; over midnight where end < start."""
    at = now.astimezone(zone).time()
    if hours.start < hours.end:
        return hours.start <= at < hours.end
    return at >= hours.start or at < hours.end
