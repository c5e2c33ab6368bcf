-- How late flights out of each airport were, on the last known day and over seven known days.
select a.origin,
       known.at as event_timestamp,
       avg((a.arr_delay >= 15)::int) filter (where a.sched_dep >= known.at - interval '2 days')
           ::double precision as origin_late_1d,
       avg((a.arr_delay >= 15)::int)::double precision as origin_late_7d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join {arrivals} a
  on a.sched_dep >= known.at - interval '8 days'
 and a.sched_dep < known.at - interval '1 day'
where a.arr_delay is not null
group by a.origin, known.at
