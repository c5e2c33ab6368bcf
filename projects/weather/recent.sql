-- The last observation of each airport, what it was hours before, and where it is going.
-- An hour's observation is known when the hour is over. Joined by exact time: a gap is a gap.
select w.origin,
       w.observed + interval '1 hour' as event_timestamp,
       w.temp as temp_1h,
       h3.temp as temp_3h,
       h24.temp as temp_24h,
       w.temp - h4.temp as temp_trend_3h,
       w.dewp - h4.dewp as dewp_trend_3h,
       w.pressure - h4.pressure as pressure_trend_3h,
       (w.wind_speed + h2.wind_speed + h3.wind_speed) / 3 as wind_3h
from {weather} w
left join {weather} h2 on h2.origin = w.origin and h2.observed = w.observed - interval '1 hour'
left join {weather} h3 on h3.origin = w.origin and h3.observed = w.observed - interval '2 hours'
left join {weather} h4 on h4.origin = w.origin and h4.observed = w.observed - interval '3 hours'
left join {weather} h24 on h24.origin = w.origin and h24.observed = w.observed - interval '23 hours'
where w.observed > %(start)s - interval '1 hour'
  and w.observed <= %(end)s - interval '1 hour'
