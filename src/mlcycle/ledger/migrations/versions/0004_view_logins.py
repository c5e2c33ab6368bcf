"""Logins for the SQL of feature views: each sees the tables its view declares, and nothing else."""

from alembic import op

revision = "0004"
down_revision = "0003"

KEY = """
-- What the passwords of the views' logins are made from. Nobody but the owner reads it.
create table ledger.view_key (
    one boolean primary key default true check (one),
    key bytea not null
);
insert into ledger.view_key (key)
    select sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8')) from generate_series(1, 4);
revoke all on ledger.view_key from public;

grant usage on schema raw to mlcycle_view;
"""

LOGIN = r"""
create function ledger.view_login(project text, view text, tables text[], out login text, out password text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
-- The login of one view, made at its first use, with rights on exactly these of the project's raw tables.
declare
    plain constant text := '^[a-z][a-z0-9_]{0,29}$';
    full_name constant text := project || '__' || view;
    wanted oid[];
    held oid[];
    item text;
begin
    if project !~ plain or project like '%\_\_%' or view !~ plain
       or exists (select from unnest(tables) t where t is null or t !~ plain) then
        raise exception 'not names of a project, its view and its tables' using errcode = '22023';
    end if;
    -- Another warehouse on this server has another key, and so other logins.
    login := left('mlcycle_view_' || full_name, 46) || '_';
    login := login || left(ledger.view_secret('login ' || full_name), 16);
    password := ledger.view_secret('password ' || login);
    wanted := ledger.raw_tables(project, tables);
    if wanted = ledger.readable_by(login) then
        return;
    end if;
    -- Rights on one table are given by one at a time, and not while ingest adds a column to it.
    for item in select distinct t from unnest(tables) t order by t loop
        perform pg_advisory_xact_lock(hashtextextended(format('raw:%s/%s', project, item), 0));
    end loop;
    perform pg_advisory_xact_lock(hashtextextended('view login:' || login, 0));
    perform ledger.ensure_view_role(login, password, 'SQL of the feature view ' || full_name);
    wanted := ledger.raw_tables(project, tables);
    held := ledger.readable_by(login);
    for item in select c::regclass::text from unnest(held) c where c <> all (wanted) loop
        execute format('revoke all on %s from %I', item, login);
    end loop;
    for item in select c::regclass::text from unnest(wanted) c where held is null or c <> all (held) loop
        execute format('grant select on %s to %I', item, login);
    end loop;
end
$$;

create function ledger.view_secret(purpose text) returns text
language sql stable set search_path = pg_catalog, pg_temp
return (select encode(sha256(key || sha256(key || convert_to(purpose, 'UTF8'))), 'hex') from ledger.view_key);

create function ledger.raw_tables(project text, tables text[]) returns oid[]
language sql stable set search_path = pg_catalog, pg_temp
return array(
    select c.oid from pg_class c
    where c.relnamespace = 'raw'::regnamespace and c.relkind in ('r', 'p')
      and c.relname in (select project || '__' || t from unnest(tables) t)
    order by 1
);

create function ledger.readable_by(login text) returns oid[]
language sql stable set search_path = pg_catalog, pg_temp
-- What the login has rights on by its own name; null where there is no such login.
return (
    select array(
        select d.objid from pg_shdepend d
        where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid and d.deptype = 'a'
          and d.dbid = (select oid from pg_database where datname = current_database())
          and d.classid = 'pg_class'::regclass
        order by 1
    )
    from pg_roles r where r.rolname = login
);

create function ledger.ensure_view_role(login text, password text, purpose text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from pg_roles where rolname = login) then
        begin
            execute format('create role %I login', login);
            begin
                -- Rounds slow down the guessing of a person's password; this one is 256 bits of a hash.
                perform set_config(name, '1', true) from pg_settings where name = 'scram_iterations';
                execute format('alter role %I password %L', login, password);
            exception when others then -- an error's context would tell the statement, and the password
                raise exception 'the server takes no password for %: %', login, sqlerrm
                    using errcode = sqlstate;
            end;
            execute format('grant mlcycle_view to %I', login);
            execute format('comment on role %I is %L', login, purpose);
            execute format('alter role %I set default_transaction_read_only = on', login);
            begin
                execute format('alter role %I set temp_file_limit = %L', login, '20GB');
            exception when insufficient_privilege then
                null; -- a superuser's to set: a hosted server's owner may not
            end;
        exception when duplicate_object or unique_violation then
            null; -- made at this moment for a copy of this database on the same server
        end;
    end if;
    if exists (select from pg_roles where rolname = login
               and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls))
       or exists (select from pg_auth_members m join pg_roles r on r.oid = m.member
                  where r.rolname = login and m.roleid <> 'mlcycle_view'::regrole) then
        raise exception 'role % may do more than a view''s login: drop it, or take its rights away', login
            using errcode = '42501';
    end if;
end
$$;

revoke all on function ledger.view_login, ledger.view_secret, ledger.raw_tables, ledger.readable_by,
    ledger.ensure_view_role from public;
grant execute on function ledger.view_login to mlcycle_train;
"""


def upgrade() -> None:
    op.execute(KEY)
    op.execute(LOGIN)


def downgrade() -> None:
    op.execute(
        "drop function ledger.view_login, ledger.ensure_view_role, ledger.readable_by, ledger.raw_tables"
    )
    op.execute("drop table ledger.view_key")
    op.execute("revoke usage on schema raw from mlcycle_view")
