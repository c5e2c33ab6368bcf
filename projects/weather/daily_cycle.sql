-- What each airport is like at the hour to be predicted: yesterday, and on the seven days before.
-- Six hours ahead of now is eighteen hours after the same hour of yesterday.
select w.origin,
       known.at as event_timestamp,
       extract(hour from known.at at time zone 'UTC')::bigint as hour_utc,
       max(w.temp) filter (where w.observed = known.at - interval '18 hours') as temp_18h,
       avg(w.temp) filter (
           where extract(hour from w.observed at time zone 'UTC')
               = extract(hour from (known.at + interval '6 hours') at time zone 'UTC')
       ) as temp_same_hour_7d,
       avg(w.temp) as temp_7d
from generate_series(date_trunc('hour', %(start)s) + interval '1 hour', %(end)s, interval '1 hour') as known (at)
join {weather} w
  on w.observed >= known.at - interval '7 days'
 and w.observed <= known.at - interval '1 hour'
group by w.origin, known.at
