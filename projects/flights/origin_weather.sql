-- The last observation at each airport. An hour's observation is known when the hour is over.
select w.origin,
       w.observed + interval '1 hour' as event_timestamp,
       w.wind_speed,
       w.wind_gust,
       sum(w.precip) over recent as precip_3h,
       w.visib
from {weather} w
where w.observed + interval '1 hour' > %(start)s - interval '3 hours'
  and w.observed + interval '1 hour' <= %(end)s
window recent as (partition by w.origin order by w.observed range between interval '2 hours' preceding and current row)
