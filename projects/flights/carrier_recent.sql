-- How late each carrier was over the seven days whose arrivals were known at each midnight.
select a.carrier,
       known.at as event_timestamp,
       avg((a.arr_delay >= 15)::int)::double precision as carrier_late_7d,
       avg(least(greatest(a.arr_delay, -30), 180))::double precision as carrier_delay_7d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join {arrivals} a
  on a.sched_dep >= known.at - interval '8 days'
 and a.sched_dep < known.at - interval '1 day'
where a.arr_delay is not null
group by a.carrier, known.at
