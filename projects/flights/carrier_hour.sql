-- How late each carrier was at each hour of the day over 28 known days, drawn towards 0.2 where
-- flights are few.
select a.carrier,
       f.sched_hour,
       known.at as event_timestamp,
       ((sum((a.arr_delay >= 15)::int) + 4.0) / (count(*) + 20.0))::double precision as carrier_hour_late_28d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join {arrivals} a
  on a.sched_dep >= known.at - interval '29 days'
 and a.sched_dep < known.at - interval '1 day'
join {flights} f using (carrier, flight, origin, sched_dep)
where a.arr_delay is not null
group by a.carrier, f.sched_hour, known.at
