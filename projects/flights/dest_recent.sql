-- How late flights to each destination were over fourteen known days. Counted by day first, so that
-- a day is not read again for each of fourteen midnights.
with daily as (
    select f.dest,
           date_trunc('day', a.sched_dep) as day,
           sum((a.arr_delay >= 15)::int) as late,
           count(*) as flights
    from {arrivals} a
    join {flights} f using (carrier, flight, origin, sched_dep)
    where a.arr_delay is not null
      and a.sched_dep >= date_trunc('day', %(start)s) - interval '15 days'
      and f.sched_dep >= date_trunc('day', %(start)s) - interval '15 days'
      and a.sched_dep < %(end)s - interval '1 day'
      and f.sched_dep < %(end)s - interval '1 day'
    group by 1, 2
)
select d.dest,
       known.at as event_timestamp,
       (sum(d.late) / sum(d.flights))::double precision as dest_late_14d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join daily d on d.day >= known.at - interval '15 days' and d.day < known.at - interval '1 day'
group by d.dest, known.at
