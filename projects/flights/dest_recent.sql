-- How late flights to each destination were over fourteen known days.
select f.dest,
       known.at as event_timestamp,
       avg((a.arr_delay >= 15)::int)::double precision as dest_late_14d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join {arrivals} a
  on a.sched_dep >= known.at - interval '15 days'
 and a.sched_dep < known.at - interval '1 day'
join {flights} f using (carrier, flight, origin, sched_dep)
where a.arr_delay is not null
group by f.dest, known.at
