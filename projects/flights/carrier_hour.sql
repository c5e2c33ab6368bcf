-- How late each carrier was at each hour of the day over 28 known days, drawn towards 0.2 where
-- flights are few. Counted by day first, so that a day is not read again for each of 28 midnights.
with daily as (
    select a.carrier,
           f.sched_hour,
           date_trunc('day', a.sched_dep) as day,
           sum((a.arr_delay >= 15)::int) as late,
           count(*) as flights
    from {arrivals} a
    join {flights} f using (carrier, flight, origin, sched_dep)
    where a.arr_delay is not null
      and a.sched_dep >= date_trunc('day', %(start)s) - interval '29 days'
      and f.sched_dep >= date_trunc('day', %(start)s) - interval '29 days'
      and a.sched_dep < %(end)s - interval '1 day'
      and f.sched_dep < %(end)s - interval '1 day'
    group by 1, 2, 3
)
select d.carrier,
       d.sched_hour,
       known.at as event_timestamp,
       ((sum(d.late) + 4.0) / (sum(d.flights) + 20.0))::double precision as carrier_hour_late_28d
from generate_series(date_trunc('day', %(start)s) + interval '1 day', %(end)s, interval '1 day') as known (at)
join daily d on d.day >= known.at - interval '29 days' and d.day < known.at - interval '1 day'
group by d.carrier, d.sched_hour, known.at
