-- A database of Airflow 3.0.6's own making (airflow db migrate on an empty PostgreSQL), and what 3.0.6 left in it after it
-- had run the DAG in dag_code (airflow dags test): a task that was tried again, mapped ones, an asset's event, one that
-- failed; and a connection, a variable and a pool by its own commands, with the Fernet key
-- bWxjeWNsZS1nb2xkZW4ta2V5LW9mLXRlc3RzLTAwMDA=. pg_dump --column-inserts; jobs, log and the machine's paths left out.
CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.asset (
    id integer NOT NULL,
    name character varying(1500) NOT NULL,
    uri character varying(1500) NOT NULL,
    "group" character varying(1500) NOT NULL,
    extra json NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.asset_active (
    name character varying(1500) NOT NULL,
    uri character varying(1500) NOT NULL
);
CREATE TABLE public.asset_alias (
    id integer NOT NULL,
    name character varying(1500) NOT NULL,
    "group" character varying(1500) NOT NULL
);
CREATE TABLE public.asset_alias_asset (
    alias_id integer NOT NULL,
    asset_id integer NOT NULL
);
CREATE TABLE public.asset_alias_asset_event (
    alias_id integer NOT NULL,
    event_id integer NOT NULL
);
CREATE SEQUENCE public.asset_alias_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_alias_id_seq OWNED BY public.asset_alias.id;
CREATE TABLE public.asset_dag_run_queue (
    asset_id integer NOT NULL,
    target_dag_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.asset_event (
    id integer NOT NULL,
    asset_id integer NOT NULL,
    extra json NOT NULL,
    source_task_id character varying(250),
    source_dag_id character varying(250),
    source_run_id character varying(250),
    source_map_index integer DEFAULT '-1'::integer,
    "timestamp" timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.asset_event_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_event_id_seq OWNED BY public.asset_event.id;
CREATE SEQUENCE public.asset_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.asset_id_seq OWNED BY public.asset.id;
CREATE TABLE public.asset_trigger (
    asset_id integer NOT NULL,
    trigger_id integer NOT NULL
);
CREATE TABLE public.backfill (
    id integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    from_date timestamp with time zone NOT NULL,
    to_date timestamp with time zone NOT NULL,
    dag_run_conf json NOT NULL,
    is_paused boolean,
    reprocess_behavior character varying(250) NOT NULL,
    max_active_runs integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    completed_at timestamp with time zone,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.backfill_dag_run (
    id integer NOT NULL,
    backfill_id integer NOT NULL,
    dag_run_id integer,
    exception_reason character varying(250),
    logical_date timestamp with time zone NOT NULL,
    sort_ordinal integer NOT NULL
);
CREATE SEQUENCE public.backfill_dag_run_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.backfill_dag_run_id_seq OWNED BY public.backfill_dag_run.id;
CREATE SEQUENCE public.backfill_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.backfill_id_seq OWNED BY public.backfill.id;
CREATE TABLE public.callback_request (
    id integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    priority_weight integer NOT NULL,
    callback_data jsonb NOT NULL,
    callback_type character varying(20) NOT NULL
);
CREATE SEQUENCE public.callback_request_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.callback_request_id_seq OWNED BY public.callback_request.id;
CREATE TABLE public.connection (
    id integer NOT NULL,
    conn_id character varying(250) NOT NULL,
    conn_type character varying(500) NOT NULL,
    description text,
    host character varying(500),
    schema character varying(500),
    login text,
    password text,
    port integer,
    is_encrypted boolean,
    is_extra_encrypted boolean,
    extra text
);
CREATE SEQUENCE public.connection_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.connection_id_seq OWNED BY public.connection.id;
CREATE TABLE public.dag (
    dag_id character varying(250) NOT NULL,
    is_paused boolean,
    is_stale boolean,
    last_parsed_time timestamp with time zone,
    last_expired timestamp with time zone,
    fileloc character varying(2000),
    relative_fileloc character varying(2000),
    bundle_name character varying(250),
    bundle_version character varying(200),
    owners character varying(2000),
    dag_display_name character varying(2000),
    description text,
    timetable_summary text,
    timetable_description character varying(1000),
    asset_expression json,
    max_active_tasks integer NOT NULL,
    max_active_runs integer,
    max_consecutive_failed_dag_runs integer NOT NULL,
    has_task_concurrency_limits boolean NOT NULL,
    has_import_errors boolean DEFAULT false,
    next_dagrun timestamp with time zone,
    next_dagrun_data_interval_start timestamp with time zone,
    next_dagrun_data_interval_end timestamp with time zone,
    next_dagrun_create_after timestamp with time zone
);
CREATE TABLE public.dag_bundle (
    name character varying(250) NOT NULL,
    active boolean,
    version character varying(200),
    last_refreshed timestamp with time zone
);
CREATE TABLE public.dag_code (
    id uuid NOT NULL,
    dag_id character varying(250) NOT NULL,
    fileloc character varying(2000) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_updated timestamp with time zone NOT NULL,
    source_code text NOT NULL,
    source_code_hash character varying(32) NOT NULL,
    dag_version_id uuid NOT NULL
);
CREATE TABLE public.dag_owner_attributes (
    dag_id character varying(250) NOT NULL,
    owner character varying(500) NOT NULL,
    link character varying(500) NOT NULL
);
CREATE TABLE public.dag_priority_parsing_request (
    id character varying(32) NOT NULL,
    bundle_name character varying(250) NOT NULL,
    relative_fileloc character varying(2000) NOT NULL
);
CREATE TABLE public.dag_run (
    id integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    queued_at timestamp with time zone,
    logical_date timestamp with time zone,
    start_date timestamp with time zone,
    end_date timestamp with time zone,
    state character varying(50),
    run_id character varying(250) NOT NULL,
    creating_job_id integer,
    run_type character varying(50) NOT NULL,
    triggered_by character varying(50),
    conf jsonb,
    data_interval_start timestamp with time zone,
    data_interval_end timestamp with time zone,
    run_after timestamp with time zone NOT NULL,
    last_scheduling_decision timestamp with time zone,
    log_template_id integer,
    updated_at timestamp with time zone,
    clear_number integer DEFAULT 0 NOT NULL,
    backfill_id integer,
    bundle_version character varying(250),
    scheduled_by_job_id integer,
    context_carrier jsonb,
    span_status character varying(250) DEFAULT 'not_started'::character varying NOT NULL,
    created_dag_version_id uuid
);
CREATE SEQUENCE public.dag_run_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.dag_run_id_seq OWNED BY public.dag_run.id;
CREATE TABLE public.dag_run_note (
    user_id character varying(128),
    dag_run_id integer NOT NULL,
    content character varying(1000),
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_schedule_asset_alias_reference (
    alias_id integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_schedule_asset_name_reference (
    name character varying(1500) NOT NULL,
    dag_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_schedule_asset_reference (
    asset_id integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_schedule_asset_uri_reference (
    uri character varying(1500) NOT NULL,
    dag_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_tag (
    name character varying(100) NOT NULL,
    dag_id character varying(250) NOT NULL
);
CREATE TABLE public.dag_version (
    id uuid NOT NULL,
    version_number integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    bundle_name character varying(250),
    bundle_version character varying(250),
    created_at timestamp with time zone NOT NULL,
    last_updated timestamp with time zone NOT NULL
);
CREATE TABLE public.dag_warning (
    dag_id character varying(250) NOT NULL,
    warning_type character varying(50) NOT NULL,
    message text NOT NULL,
    "timestamp" timestamp with time zone NOT NULL
);
CREATE TABLE public.dagrun_asset_event (
    dag_run_id integer NOT NULL,
    event_id integer NOT NULL
);
CREATE TABLE public.deadline (
    id uuid NOT NULL,
    dag_id character varying(250),
    dagrun_id integer,
    deadline timestamp without time zone NOT NULL,
    callback character varying(500) NOT NULL,
    callback_kwargs json
);
CREATE TABLE public.import_error (
    id integer NOT NULL,
    "timestamp" timestamp with time zone,
    filename character varying(1024),
    bundle_name character varying(250),
    stacktrace text
);
CREATE SEQUENCE public.import_error_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.import_error_id_seq OWNED BY public.import_error.id;
CREATE TABLE public.job (
    id integer NOT NULL,
    dag_id character varying(250),
    state character varying(20),
    job_type character varying(30),
    start_date timestamp with time zone,
    end_date timestamp with time zone,
    latest_heartbeat timestamp with time zone,
    executor_class character varying(500),
    hostname character varying(500),
    unixname character varying(1000)
);
CREATE SEQUENCE public.job_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.job_id_seq OWNED BY public.job.id;
CREATE TABLE public.log (
    id integer NOT NULL,
    dttm timestamp with time zone,
    dag_id character varying(250),
    task_id character varying(250),
    map_index integer,
    event character varying(60),
    logical_date timestamp with time zone,
    run_id character varying(250),
    owner character varying(500),
    owner_display_name character varying(500),
    extra text,
    try_number integer
);
CREATE SEQUENCE public.log_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.log_id_seq OWNED BY public.log.id;
CREATE TABLE public.log_template (
    id integer NOT NULL,
    filename text NOT NULL,
    elasticsearch_id text NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.log_template_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.log_template_id_seq OWNED BY public.log_template.id;
CREATE TABLE public.rendered_task_instance_fields (
    dag_id character varying(250) NOT NULL,
    task_id character varying(250) NOT NULL,
    run_id character varying(250) NOT NULL,
    map_index integer DEFAULT '-1'::integer NOT NULL,
    rendered_fields json NOT NULL,
    k8s_pod_yaml json
);
CREATE TABLE public.serialized_dag (
    id uuid NOT NULL,
    dag_id character varying(250) NOT NULL,
    data json,
    data_compressed bytea,
    created_at timestamp with time zone NOT NULL,
    last_updated timestamp with time zone NOT NULL,
    dag_hash character varying(32) NOT NULL,
    dag_version_id uuid NOT NULL
);
CREATE TABLE public.slot_pool (
    id integer NOT NULL,
    pool character varying(256),
    slots integer,
    description text,
    include_deferred boolean NOT NULL
);
CREATE SEQUENCE public.slot_pool_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.slot_pool_id_seq OWNED BY public.slot_pool.id;
CREATE TABLE public.task_instance (
    id uuid NOT NULL,
    task_id character varying(250) NOT NULL,
    dag_id character varying(250) NOT NULL,
    run_id character varying(250) NOT NULL,
    map_index integer DEFAULT '-1'::integer NOT NULL,
    start_date timestamp with time zone,
    end_date timestamp with time zone,
    duration double precision,
    state character varying(20),
    try_number integer,
    max_tries integer DEFAULT '-1'::integer,
    hostname character varying(1000),
    unixname character varying(1000),
    pool character varying(256) NOT NULL,
    pool_slots integer NOT NULL,
    queue character varying(256),
    priority_weight integer,
    operator character varying(1000),
    custom_operator_name character varying(1000),
    queued_dttm timestamp with time zone,
    scheduled_dttm timestamp with time zone,
    queued_by_job_id integer,
    last_heartbeat_at timestamp with time zone,
    pid integer,
    executor character varying(1000),
    executor_config bytea,
    updated_at timestamp with time zone,
    rendered_map_index character varying(250),
    context_carrier jsonb,
    span_status character varying(250) DEFAULT 'not_started'::character varying NOT NULL,
    external_executor_id character varying(250),
    trigger_id integer,
    trigger_timeout timestamp with time zone,
    next_method character varying(1000),
    next_kwargs jsonb,
    task_display_name character varying(2000),
    dag_version_id uuid
);
CREATE TABLE public.task_instance_history (
    task_instance_id uuid NOT NULL,
    task_id character varying(250) NOT NULL,
    dag_id character varying(250) NOT NULL,
    run_id character varying(250) NOT NULL,
    map_index integer DEFAULT '-1'::integer NOT NULL,
    try_number integer NOT NULL,
    start_date timestamp with time zone,
    end_date timestamp with time zone,
    duration double precision,
    state character varying(20),
    max_tries integer DEFAULT '-1'::integer,
    hostname character varying(1000),
    unixname character varying(1000),
    pool character varying(256) NOT NULL,
    pool_slots integer NOT NULL,
    queue character varying(256),
    priority_weight integer,
    operator character varying(1000),
    custom_operator_name character varying(1000),
    queued_dttm timestamp with time zone,
    scheduled_dttm timestamp with time zone,
    queued_by_job_id integer,
    pid integer,
    executor character varying(1000),
    executor_config bytea,
    updated_at timestamp with time zone,
    rendered_map_index character varying(250),
    context_carrier jsonb,
    span_status character varying(250) DEFAULT 'not_started'::character varying NOT NULL,
    external_executor_id character varying(250),
    trigger_id integer,
    trigger_timeout timestamp without time zone,
    next_method character varying(1000),
    next_kwargs jsonb,
    task_display_name character varying(2000),
    dag_version_id uuid
);
CREATE TABLE public.task_instance_note (
    ti_id uuid NOT NULL,
    user_id character varying(128),
    content character varying(1000),
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.task_map (
    dag_id character varying(250) NOT NULL,
    task_id character varying(250) NOT NULL,
    run_id character varying(250) NOT NULL,
    map_index integer NOT NULL,
    length integer NOT NULL,
    keys jsonb,
    CONSTRAINT ck_task_map_task_map_length_not_negative CHECK ((length >= 0))
);
CREATE TABLE public.task_outlet_asset_reference (
    asset_id integer NOT NULL,
    dag_id character varying(250) NOT NULL,
    task_id character varying(250) NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);
CREATE TABLE public.task_reschedule (
    id integer NOT NULL,
    ti_id uuid NOT NULL,
    start_date timestamp with time zone NOT NULL,
    end_date timestamp with time zone NOT NULL,
    duration integer NOT NULL,
    reschedule_date timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.task_reschedule_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.task_reschedule_id_seq OWNED BY public.task_reschedule.id;
CREATE TABLE public.trigger (
    id integer NOT NULL,
    classpath character varying(1000) NOT NULL,
    kwargs text NOT NULL,
    created_date timestamp with time zone NOT NULL,
    triggerer_id integer
);
CREATE SEQUENCE public.trigger_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.trigger_id_seq OWNED BY public.trigger.id;
CREATE TABLE public.variable (
    id integer NOT NULL,
    key character varying(250),
    val text,
    description text,
    is_encrypted boolean
);
CREATE SEQUENCE public.variable_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.variable_id_seq OWNED BY public.variable.id;
CREATE TABLE public.xcom (
    dag_run_id integer NOT NULL,
    task_id character varying(250) NOT NULL,
    map_index integer DEFAULT '-1'::integer NOT NULL,
    key character varying(512) NOT NULL,
    dag_id character varying(250) NOT NULL,
    run_id character varying(250) NOT NULL,
    value jsonb,
    "timestamp" timestamp with time zone NOT NULL
);
ALTER TABLE ONLY public.asset ALTER COLUMN id SET DEFAULT nextval('public.asset_id_seq'::regclass);
ALTER TABLE ONLY public.asset_alias ALTER COLUMN id SET DEFAULT nextval('public.asset_alias_id_seq'::regclass);
ALTER TABLE ONLY public.asset_event ALTER COLUMN id SET DEFAULT nextval('public.asset_event_id_seq'::regclass);
ALTER TABLE ONLY public.backfill ALTER COLUMN id SET DEFAULT nextval('public.backfill_id_seq'::regclass);
ALTER TABLE ONLY public.backfill_dag_run ALTER COLUMN id SET DEFAULT nextval('public.backfill_dag_run_id_seq'::regclass);
ALTER TABLE ONLY public.callback_request ALTER COLUMN id SET DEFAULT nextval('public.callback_request_id_seq'::regclass);
ALTER TABLE ONLY public.connection ALTER COLUMN id SET DEFAULT nextval('public.connection_id_seq'::regclass);
ALTER TABLE ONLY public.dag_run ALTER COLUMN id SET DEFAULT nextval('public.dag_run_id_seq'::regclass);
ALTER TABLE ONLY public.import_error ALTER COLUMN id SET DEFAULT nextval('public.import_error_id_seq'::regclass);
ALTER TABLE ONLY public.job ALTER COLUMN id SET DEFAULT nextval('public.job_id_seq'::regclass);
ALTER TABLE ONLY public.log ALTER COLUMN id SET DEFAULT nextval('public.log_id_seq'::regclass);
ALTER TABLE ONLY public.log_template ALTER COLUMN id SET DEFAULT nextval('public.log_template_id_seq'::regclass);
ALTER TABLE ONLY public.slot_pool ALTER COLUMN id SET DEFAULT nextval('public.slot_pool_id_seq'::regclass);
ALTER TABLE ONLY public.task_reschedule ALTER COLUMN id SET DEFAULT nextval('public.task_reschedule_id_seq'::regclass);
ALTER TABLE ONLY public.trigger ALTER COLUMN id SET DEFAULT nextval('public.trigger_id_seq'::regclass);
ALTER TABLE ONLY public.variable ALTER COLUMN id SET DEFAULT nextval('public.variable_id_seq'::regclass);
INSERT INTO public.alembic_version (version_num) VALUES ('fe199e1abd77');
INSERT INTO public.asset (id, name, uri, "group", extra, created_at, updated_at) VALUES (1, 'mlcycle://flights/raw', 'mlcycle://flights/raw', 'asset', '{}', '2026-11-22 02:38:29.381124+00', '2026-11-22 02:38:29.381136+00');
INSERT INTO public.asset_active (name, uri) VALUES ('mlcycle://flights/raw', 'mlcycle://flights/raw');
INSERT INTO public.asset_event (id, asset_id, extra, source_task_id, source_dag_id, source_run_id, source_map_index, "timestamp") VALUES (1, 1, '{}', 'publish', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '2026-11-22 02:42:03.45726+00');
INSERT INTO public.connection (id, conn_id, conn_type, description, host, schema, login, password, port, is_encrypted, is_extra_encrypted, extra) VALUES (1, 'warehouse', 'postgres', NULL, 'h', 'd', 'u', 'gAAAAABrAlVNbZhA4R6wu0ScM2UnjQtPZJuAVdly-4hhRMfb_gJYIknKq-wUU4-6Bkg0ZGUWskKlidwmSKnIgvZzaAeU-sWDAw==', NULL, true, false, NULL);
INSERT INTO public.dag (dag_id, is_paused, is_stale, last_parsed_time, last_expired, fileloc, relative_fileloc, bundle_name, bundle_version, owners, dag_display_name, description, timetable_summary, timetable_description, asset_expression, max_active_tasks, max_active_runs, max_consecutive_failed_dag_runs, has_task_concurrency_limits, has_import_errors, next_dagrun, next_dagrun_data_interval_start, next_dagrun_data_interval_end, next_dagrun_create_after) VALUES ('flights_features', true, false, '2026-11-22 02:41:03.647562+00', NULL, '/opt/airflow/dags/life.py', 'life.py', 'dags-folder', NULL, 'airflow', NULL, NULL, 'Asset', 'Triggered by assets', '{"all": [{"asset": {"uri": "mlcycle://flights/raw", "name": "mlcycle://flights/raw", "group": "asset", "id": 1}}]}', 16, 16, 0, false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.dag (dag_id, is_paused, is_stale, last_parsed_time, last_expired, fileloc, relative_fileloc, bundle_name, bundle_version, owners, dag_display_name, description, timetable_summary, timetable_description, asset_expression, max_active_tasks, max_active_runs, max_consecutive_failed_dag_runs, has_task_concurrency_limits, has_import_errors, next_dagrun, next_dagrun_data_interval_start, next_dagrun_data_interval_end, next_dagrun_create_after) VALUES ('flights_ingest', true, false, '2026-11-22 02:41:03.6841+00', NULL, '/opt/airflow/dags/life.py', 'life.py', 'dags-folder', NULL, 'airflow', NULL, NULL, 'None', 'Never, external triggers only', 'null', 16, 16, 0, false, false, NULL, NULL, NULL, NULL);
INSERT INTO public.dag_bundle (name, active, version, last_refreshed) VALUES ('dags-folder', true, NULL, '2026-11-22 02:38:22.711059+00');
INSERT INTO public.dag_code (id, dag_id, fileloc, created_at, last_updated, source_code, source_code_hash, dag_version_id) VALUES ('01a2011e-9102-710f-b518-57474dd46fdb', 'flights_features', '/opt/airflow/dags/life.py', '2026-11-22 02:38:30.14671+00', '2026-11-22 02:38:30.146719+00', 'from datetime import datetime, timedelta
from airflow.sdk import DAG, Asset, task, get_current_context
A = Asset("mlcycle://flights/raw")
with DAG("flights_ingest", schedule=None, start_date=datetime(2013,1,1), params={"first": ""}) as d:
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def extract():
        if get_current_context()["ti"].try_number == 1: raise ValueError("once")
        return {"outputs": {"a": "file:///a"}}
    @task
    def one(x): return x
    @task(outlets=[A])
    def publish(): return 1
    @task
    def fails(): raise ValueError("bad")
    m = one.expand(x=[1,2])
    extract() >> m >> publish() >> fails()
with DAG("flights_features", schedule=[A], start_date=datetime(2013,1,1)) as f:
    @task
    def features(): return 2
    features()
', 'f50cf4f03ce24610f3b9880ed3f020a6', '01a2011e-90ea-7e3e-a711-5e18399d1b18');
INSERT INTO public.dag_code (id, dag_id, fileloc, created_at, last_updated, source_code, source_code_hash, dag_version_id) VALUES ('01a2011e-9103-7ad7-bc18-bd45a39455b9', 'flights_ingest', '/opt/airflow/dags/life.py', '2026-11-22 02:38:30.146727+00', '2026-11-22 02:38:30.146728+00', 'from datetime import datetime, timedelta
from airflow.sdk import DAG, Asset, task, get_current_context
A = Asset("mlcycle://flights/raw")
with DAG("flights_ingest", schedule=None, start_date=datetime(2013,1,1), params={"first": ""}) as d:
    @task(retries=1, retry_delay=timedelta(seconds=1))
    def extract():
        if get_current_context()["ti"].try_number == 1: raise ValueError("once")
        return {"outputs": {"a": "file:///a"}}
    @task
    def one(x): return x
    @task(outlets=[A])
    def publish(): return 1
    @task
    def fails(): raise ValueError("bad")
    m = one.expand(x=[1,2])
    extract() >> m >> publish() >> fails()
with DAG("flights_features", schedule=[A], start_date=datetime(2013,1,1)) as f:
    @task
    def features(): return 2
    features()
', 'f50cf4f03ce24610f3b9880ed3f020a6', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.dag_run (id, dag_id, queued_at, logical_date, start_date, end_date, state, run_id, creating_job_id, run_type, triggered_by, conf, data_interval_start, data_interval_end, run_after, last_scheduling_decision, log_template_id, updated_at, clear_number, backfill_id, bundle_version, scheduled_by_job_id, context_carrier, span_status, created_dag_version_id) VALUES (1, 'flights_ingest', NULL, '2026-11-22 02:41:46.446957+00', '2026-11-22 02:41:46.446957+00', '2026-11-22 02:42:07.274261+00', 'failed', 'manual__2026-11-22T02:41:46.783419+00:00', NULL, 'manual', 'TEST', '{"first": "2013-01-01"}', '2026-11-22 02:41:46.446957+00', '2026-11-22 02:41:46.446957+00', '2026-11-22 02:41:46.783419+00', '2026-11-22 02:42:07.267615+00', 1, '2026-11-22 02:41:46.923246+00', 0, NULL, NULL, NULL, '{"__var": {}, "__type": "dict"}', 'ended', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.dag_schedule_asset_reference (asset_id, dag_id, created_at, updated_at) VALUES (1, 'flights_features', '2026-11-22 02:38:29.520682+00', '2026-11-22 02:38:29.520688+00');
INSERT INTO public.dag_version (id, version_number, dag_id, bundle_name, bundle_version, created_at, last_updated) VALUES ('01a2011e-90ea-7e3e-a711-5e18399d1b18', 1, 'flights_features', 'dags-folder', NULL, '2026-11-22 02:38:30.122763+00', '2026-11-22 02:38:30.122772+00');
INSERT INTO public.dag_version (id, version_number, dag_id, bundle_name, bundle_version, created_at, last_updated) VALUES ('01a2011e-90eb-7d94-8597-a88b0d6974da', 1, 'flights_ingest', 'dags-folder', NULL, '2026-11-22 02:38:30.122781+00', '2026-11-22 02:38:30.122783+00');
INSERT INTO public.log_template (id, filename, elasticsearch_id, created_at) VALUES (1, 'dag_id={{ ti.dag_id }}/run_id={{ ti.run_id }}/task_id={{ ti.task_id }}/{% if ti.map_index >= 0 %}map_index={{ ti.map_index }}/{% endif %}attempt={{ try_number|default(ti.try_number) }}.log', '{dag_id}-{task_id}-{run_id}-{map_index}-{try_number}', '2026-11-22 02:36:54.027312+00');
INSERT INTO public.rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields, k8s_pod_yaml) VALUES ('flights_ingest', 'extract', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '{"templates_dict": null, "op_args": [], "op_kwargs": {}}', 'null');
INSERT INTO public.rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields, k8s_pod_yaml) VALUES ('flights_ingest', 'one', 'manual__2026-11-22T02:41:46.783419+00:00', 0, '{"templates_dict": null, "op_args": [], "op_kwargs": {"x": 1}}', 'null');
INSERT INTO public.rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields, k8s_pod_yaml) VALUES ('flights_ingest', 'one', 'manual__2026-11-22T02:41:46.783419+00:00', 1, '{"templates_dict": null, "op_args": [], "op_kwargs": {"x": 2}}', 'null');
INSERT INTO public.rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields, k8s_pod_yaml) VALUES ('flights_ingest', 'publish', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '{"templates_dict": null, "op_args": [], "op_kwargs": {}}', 'null');
INSERT INTO public.rendered_task_instance_fields (dag_id, task_id, run_id, map_index, rendered_fields, k8s_pod_yaml) VALUES ('flights_ingest', 'fails', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '{"templates_dict": null, "op_args": [], "op_kwargs": {}}', 'null');
INSERT INTO public.serialized_dag (id, dag_id, data, data_compressed, created_at, last_updated, dag_hash, dag_version_id) VALUES ('01a2011e-9107-7190-9eb7-e98b06b7f986', 'flights_features', '{"__version": 2, "dag": {"disable_bundle_versioning": false, "relative_fileloc": "life.py", "fileloc": "/opt/airflow/dags/life.py", "timezone": "UTC", "edge_info": {}, "tags": [], "catchup": false, "timetable": {"__type": "airflow.timetables.simple.AssetTriggeredTimetable", "__var": {"asset_condition": {"__type": "asset_all", "objects": [{"__type": "asset", "name": "mlcycle://flights/raw", "uri": "mlcycle://flights/raw", "group": "asset", "extra": {}}]}}}, "dag_id": "flights_features", "task_group": {"_group_id": null, "group_display_name": "", "prefix_group_id": true, "tooltip": "", "ui_color": "CornflowerBlue", "ui_fgcolor": "#000", "children": {"features": ["operator", "features"]}, "upstream_group_ids": [], "downstream_group_ids": [], "upstream_task_ids": [], "downstream_task_ids": []}, "start_date": 1356998400.0, "_processor_dags_folder": "/opt/airflow/dags", "tasks": [{"__var": {"is_setup": false, "downstream_task_ids": [], "task_id": "features", "template_fields_renderers": {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}, "template_fields": ["templates_dict", "op_args", "op_kwargs"], "is_teardown": false, "_needs_expansion": false, "pool": "default_pool", "on_failure_fail_dagrun": false, "template_ext": [], "ui_fgcolor": "#000", "start_from_trigger": false, "task_type": "_PythonDecoratedOperator", "weight_rule": "downstream", "ui_color": "#ffefeb", "python_callable_name": "unusual_prefix_7a367699ae39bae1db8c54b44b35d18a1544fbbe_life.features", "_task_module": "airflow.providers.standard.decorators.python", "_operator_name": "@task", "start_trigger_args": null, "op_args": [], "op_kwargs": {}}, "__type": "operator"}], "dag_dependencies": [{"source": "asset", "target": "flights_features", "label": "mlcycle://flights/raw", "dependency_type": "asset", "dependency_id": "{\"name\": \"mlcycle://flights/raw\", \"uri\": \"mlcycle://flights/raw\"}"}], "params": []}}', NULL, '2026-11-22 02:38:30.151298+00', '2026-11-22 02:38:30.151306+00', '5ac48750561a4b311a0aefdea294fa23', '01a2011e-90ea-7e3e-a711-5e18399d1b18');
INSERT INTO public.serialized_dag (id, dag_id, data, data_compressed, created_at, last_updated, dag_hash, dag_version_id) VALUES ('01a2011e-9108-77e1-89a1-21aa71113291', 'flights_ingest', '{"__version": 2, "dag": {"disable_bundle_versioning": false, "relative_fileloc": "life.py", "fileloc": "/opt/airflow/dags/life.py", "timezone": "UTC", "edge_info": {}, "tags": [], "catchup": false, "timetable": {"__type": "airflow.timetables.simple.NullTimetable", "__var": {}}, "dag_id": "flights_ingest", "task_group": {"_group_id": null, "group_display_name": "", "prefix_group_id": true, "tooltip": "", "ui_color": "CornflowerBlue", "ui_fgcolor": "#000", "children": {"one": ["operator", "one"], "extract": ["operator", "extract"], "publish": ["operator", "publish"], "fails": ["operator", "fails"]}, "upstream_group_ids": [], "downstream_group_ids": [], "upstream_task_ids": [], "downstream_task_ids": []}, "start_date": 1356998400.0, "_processor_dags_folder": "/opt/airflow/dags", "tasks": [{"__var": {"downstream_task_ids": ["publish"], "task_id": "one", "template_fields_renderers": {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}, "params": [["first", {"__class": "airflow.sdk.definitions.param.Param", "default": "", "description": null, "schema": {"__var": {}, "__type": "dict"}}]], "ui_color": "#ffefeb", "template_fields": ["templates_dict", "op_args", "op_kwargs"], "_disallow_kwargs_override": false, "_task_module": "airflow.providers.standard.decorators.python", "template_ext": [], "_operator_name": "@task", "ui_fgcolor": "#000", "operator_extra_links": [], "start_from_trigger": false, "_expand_input_attr": "op_kwargs_expand_input", "task_type": "_PythonDecoratedOperator", "partial_kwargs": {"is_setup": false, "is_teardown": false, "on_failure_fail_dagrun": false, "op_args": [], "op_kwargs": {"__var": {}, "__type": "dict"}}, "python_callable_name": "unusual_prefix_7a367699ae39bae1db8c54b44b35d18a1544fbbe_life.one", "start_trigger_args": null, "op_kwargs_expand_input": {"type": "dict-of-lists", "value": {"__var": {"x": [1, 2]}, "__type": "dict"}}, "_is_mapped": true}, "__type": "operator"}, {"__var": {"is_setup": false, "downstream_task_ids": ["one"], "task_id": "extract", "params": [["first", {"__class": "airflow.sdk.definitions.param.Param", "default": "", "description": null, "schema": {"__var": {}, "__type": "dict"}}]], "template_fields_renderers": {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}, "retries": 1, "template_fields": ["templates_dict", "op_args", "op_kwargs"], "is_teardown": false, "_needs_expansion": false, "pool": "default_pool", "on_failure_fail_dagrun": false, "template_ext": [], "ui_fgcolor": "#000", "start_from_trigger": false, "task_type": "_PythonDecoratedOperator", "retry_delay": 1.0, "weight_rule": "downstream", "ui_color": "#ffefeb", "python_callable_name": "unusual_prefix_7a367699ae39bae1db8c54b44b35d18a1544fbbe_life.extract", "_task_module": "airflow.providers.standard.decorators.python", "_operator_name": "@task", "start_trigger_args": null, "op_args": [], "op_kwargs": {}}, "__type": "operator"}, {"__var": {"is_setup": false, "downstream_task_ids": ["fails"], "task_id": "publish", "params": [["first", {"__class": "airflow.sdk.definitions.param.Param", "default": "", "description": null, "schema": {"__var": {}, "__type": "dict"}}]], "template_fields_renderers": {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}, "outlets": [{"__var": {"name": "mlcycle://flights/raw", "uri": "mlcycle://flights/raw", "group": "asset", "extra": {}}, "__type": "asset"}], "template_fields": ["templates_dict", "op_args", "op_kwargs"], "is_teardown": false, "_needs_expansion": false, "pool": "default_pool", "on_failure_fail_dagrun": false, "template_ext": [], "ui_fgcolor": "#000", "start_from_trigger": false, "task_type": "_PythonDecoratedOperator", "weight_rule": "downstream", "ui_color": "#ffefeb", "python_callable_name": "unusual_prefix_7a367699ae39bae1db8c54b44b35d18a1544fbbe_life.publish", "_task_module": "airflow.providers.standard.decorators.python", "_operator_name": "@task", "start_trigger_args": null, "op_args": [], "op_kwargs": {}}, "__type": "operator"}, {"__var": {"is_setup": false, "downstream_task_ids": [], "task_id": "fails", "params": [["first", {"__class": "airflow.sdk.definitions.param.Param", "default": "", "description": null, "schema": {"__var": {}, "__type": "dict"}}]], "template_fields_renderers": {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}, "template_fields": ["templates_dict", "op_args", "op_kwargs"], "is_teardown": false, "_needs_expansion": false, "pool": "default_pool", "on_failure_fail_dagrun": false, "template_ext": [], "ui_fgcolor": "#000", "start_from_trigger": false, "task_type": "_PythonDecoratedOperator", "weight_rule": "downstream", "ui_color": "#ffefeb", "python_callable_name": "unusual_prefix_7a367699ae39bae1db8c54b44b35d18a1544fbbe_life.fails", "_task_module": "airflow.providers.standard.decorators.python", "_operator_name": "@task", "start_trigger_args": null, "op_args": [], "op_kwargs": {}}, "__type": "operator"}], "dag_dependencies": [{"source": "flights_ingest", "target": "asset", "label": "mlcycle://flights/raw", "dependency_type": "asset", "dependency_id": "{\"name\": \"mlcycle://flights/raw\", \"uri\": \"mlcycle://flights/raw\"}"}], "params": [["first", {"__class": "airflow.sdk.definitions.param.Param", "default": "", "description": null, "schema": {"__var": {}, "__type": "dict"}}]]}}', NULL, '2026-11-22 02:38:30.151314+00', '2026-11-22 02:38:30.151315+00', 'c06ec1ea3adce661d6d1005bd57e4c85', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.slot_pool (id, pool, slots, description, include_deferred) VALUES (1, 'default_pool', 128, 'Default pool', false);
INSERT INTO public.slot_pool (id, pool, slots, description, include_deferred) VALUES (2, 'gpu', 3, 'a person''s slots', false);
INSERT INTO public.task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, last_heartbeat_at, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-a363-7cd0-a0b2-a56ae12ad4da', 'extract', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '2026-11-22 02:41:52.772657+00', '2026-11-22 02:41:55.199035+00', 2.426378, 'success', 2, 1, 'worker', 'airflow', 'default_pool', 1, 'default', 4, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:41:52.604093+00', NULL, '2026-11-22 02:41:55.036079+00', 21788, NULL, '\x80057d942e', '2026-11-22 02:41:55.218205+00', NULL, NULL, 'not_started', NULL, NULL, NULL, NULL, NULL, 'extract', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, last_heartbeat_at, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-9171-7490-99b1-b4b2e5158231', 'one', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', 0, '2026-11-22 02:41:56.261839+00', '2026-11-22 02:41:58.224653+00', 1.962814, 'success', 1, 0, 'worker', 'airflow', 'default_pool', 1, 'default', 3, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:41:55.327624+00', NULL, '2026-11-22 02:41:58.140385+00', 21788, NULL, '\x80057d942e', '2026-11-22 02:41:58.258433+00', NULL, NULL, 'not_started', NULL, NULL, NULL, NULL, NULL, 'one', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, last_heartbeat_at, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-9172-77ca-91d1-111bced84ca4', 'one', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', 1, '2026-11-22 02:41:58.370981+00', '2026-11-22 02:42:00.234725+00', 1.863744, 'success', 1, 0, 'worker', 'airflow', 'default_pool', 1, 'default', 3, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:41:55.327637+00', NULL, '2026-11-22 02:42:00.175231+00', 21788, NULL, '\x80057d942e', '2026-11-22 02:42:00.243914+00', NULL, NULL, 'not_started', NULL, NULL, NULL, NULL, NULL, 'one', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, last_heartbeat_at, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-9174-73cf-86cd-0fde5a2f1772', 'publish', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '2026-11-22 02:42:00.42058+00', '2026-11-22 02:42:03.408571+00', 2.987991, 'success', 1, 0, 'worker', 'airflow', 'default_pool', 1, 'default', 2, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:42:00.258069+00', NULL, '2026-11-22 02:42:03.281227+00', 21788, NULL, '\x80057d942e', '2026-11-22 02:42:03.468389+00', NULL, NULL, 'not_started', NULL, NULL, NULL, NULL, NULL, 'publish', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_instance (id, task_id, dag_id, run_id, map_index, start_date, end_date, duration, state, try_number, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, last_heartbeat_at, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-9175-7dfd-a4f3-149080e3509d', 'fails', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', -1, '2026-11-22 02:42:03.621299+00', '2026-11-22 02:42:07.217075+00', 3.595776, 'failed', 1, 0, 'worker', 'airflow', 'default_pool', 1, 'default', 1, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:42:03.495424+00', NULL, '2026-11-22 02:42:06.127952+00', 21788, NULL, '\x80057d942e', '2026-11-22 02:42:07.238199+00', NULL, NULL, 'not_started', NULL, NULL, NULL, NULL, NULL, 'fails', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_instance_history (task_instance_id, task_id, dag_id, run_id, map_index, try_number, start_date, end_date, duration, state, max_tries, hostname, unixname, pool, pool_slots, queue, priority_weight, operator, custom_operator_name, queued_dttm, scheduled_dttm, queued_by_job_id, pid, executor, executor_config, updated_at, rendered_map_index, context_carrier, span_status, external_executor_id, trigger_id, trigger_timeout, next_method, next_kwargs, task_display_name, dag_version_id) VALUES ('01a20121-9173-72d2-8aa0-520291534d69', 'extract', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', -1, 1, '2026-11-22 02:41:47.973483+00', '2026-11-22 02:41:51.455251+00', 3.481768, 'failed', 1, 'worker', 'airflow', 'default_pool', 1, 'default', 4, '_PythonDecoratedOperator', NULL, NULL, '2026-11-22 02:41:46.915934+00', NULL, 21788, NULL, '\x80057d942e', '2026-11-22 02:41:50.492951+00', NULL, 'null', 'not_started', NULL, NULL, NULL, NULL, 'null', 'extract', '01a2011e-90eb-7d94-8597-a88b0d6974da');
INSERT INTO public.task_outlet_asset_reference (asset_id, dag_id, task_id, created_at, updated_at) VALUES (1, 'flights_ingest', 'publish', '2026-11-22 02:38:29.561782+00', '2026-11-22 02:38:29.561793+00');
INSERT INTO public.variable (id, key, val, description, is_encrypted) VALUES (1, 'greeting', 'gAAAAABrAlVX15MJh8TJj4M8eaB6qUb6pt9x1O-vBAqRG8AhveQ2zp97kAL8RY88zhQ4029qSGegSBpcKPZ2ilRej1HoKdjtEA==', NULL, true);
INSERT INTO public.xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, "timestamp") VALUES (1, 'extract', -1, 'return_value', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', '{"outputs": {"a": "file:///a"}}', '2026-11-22 02:41:55.185619+00');
INSERT INTO public.xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, "timestamp") VALUES (1, 'one', 0, 'return_value', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', '1', '2026-11-22 02:41:58.217906+00');
INSERT INTO public.xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, "timestamp") VALUES (1, 'one', 1, 'return_value', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', '2', '2026-11-22 02:42:00.228772+00');
INSERT INTO public.xcom (dag_run_id, task_id, map_index, key, dag_id, run_id, value, "timestamp") VALUES (1, 'publish', -1, 'return_value', 'flights_ingest', 'manual__2026-11-22T02:41:46.783419+00:00', '1', '2026-11-22 02:42:03.399785+00');
SELECT pg_catalog.setval('public.asset_alias_id_seq', 1, false);
SELECT pg_catalog.setval('public.asset_event_id_seq', 1, true);
SELECT pg_catalog.setval('public.asset_id_seq', 1, true);
SELECT pg_catalog.setval('public.backfill_dag_run_id_seq', 1, false);
SELECT pg_catalog.setval('public.backfill_id_seq', 1, false);
SELECT pg_catalog.setval('public.callback_request_id_seq', 1, false);
SELECT pg_catalog.setval('public.connection_id_seq', 1, true);
SELECT pg_catalog.setval('public.dag_run_id_seq', 1, true);
SELECT pg_catalog.setval('public.import_error_id_seq', 1, false);
SELECT pg_catalog.setval('public.job_id_seq', 3, true);
SELECT pg_catalog.setval('public.log_id_seq', 8, true);
SELECT pg_catalog.setval('public.log_template_id_seq', 1, true);
SELECT pg_catalog.setval('public.slot_pool_id_seq', 2, true);
SELECT pg_catalog.setval('public.task_reschedule_id_seq', 1, false);
SELECT pg_catalog.setval('public.trigger_id_seq', 1, false);
SELECT pg_catalog.setval('public.variable_id_seq', 1, true);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.asset_active
    ADD CONSTRAINT asset_active_pkey PRIMARY KEY (name, uri);
ALTER TABLE ONLY public.asset_alias_asset_event
    ADD CONSTRAINT asset_alias_asset_event_pkey PRIMARY KEY (alias_id, event_id);
ALTER TABLE ONLY public.asset_alias_asset
    ADD CONSTRAINT asset_alias_asset_pkey PRIMARY KEY (alias_id, asset_id);
ALTER TABLE ONLY public.asset_alias
    ADD CONSTRAINT asset_alias_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset_event
    ADD CONSTRAINT asset_event_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset
    ADD CONSTRAINT asset_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.asset_trigger
    ADD CONSTRAINT asset_trigger_pkey PRIMARY KEY (asset_id, trigger_id);
ALTER TABLE ONLY public.asset_dag_run_queue
    ADD CONSTRAINT assetdagrunqueue_pkey PRIMARY KEY (asset_id, target_dag_id);
ALTER TABLE ONLY public.backfill_dag_run
    ADD CONSTRAINT backfill_dag_run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.backfill
    ADD CONSTRAINT backfill_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.callback_request
    ADD CONSTRAINT callback_request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.connection
    ADD CONSTRAINT connection_conn_id_uq UNIQUE (conn_id);
ALTER TABLE ONLY public.connection
    ADD CONSTRAINT connection_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_bundle
    ADD CONSTRAINT dag_bundle_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.dag_code
    ADD CONSTRAINT dag_code_dag_version_id_uq UNIQUE (dag_version_id);
ALTER TABLE ONLY public.dag_code
    ADD CONSTRAINT dag_code_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_version
    ADD CONSTRAINT dag_id_v_name_v_number_unique_constraint UNIQUE (dag_id, version_number);
ALTER TABLE ONLY public.dag_owner_attributes
    ADD CONSTRAINT dag_owner_attributes_pkey PRIMARY KEY (dag_id, owner);
ALTER TABLE ONLY public.dag
    ADD CONSTRAINT dag_pkey PRIMARY KEY (dag_id);
ALTER TABLE ONLY public.dag_priority_parsing_request
    ADD CONSTRAINT dag_priority_parsing_request_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT dag_run_dag_id_logical_date_key UNIQUE (dag_id, logical_date);
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT dag_run_dag_id_run_id_key UNIQUE (dag_id, run_id);
ALTER TABLE ONLY public.dag_run_note
    ADD CONSTRAINT dag_run_note_pkey PRIMARY KEY (dag_run_id);
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT dag_run_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_tag
    ADD CONSTRAINT dag_tag_pkey PRIMARY KEY (name, dag_id);
ALTER TABLE ONLY public.dag_version
    ADD CONSTRAINT dag_version_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_warning
    ADD CONSTRAINT dag_warning_pkey PRIMARY KEY (dag_id, warning_type);
ALTER TABLE ONLY public.dagrun_asset_event
    ADD CONSTRAINT dagrun_asset_event_pkey PRIMARY KEY (dag_run_id, event_id);
ALTER TABLE ONLY public.deadline
    ADD CONSTRAINT deadline_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.dag_schedule_asset_alias_reference
    ADD CONSTRAINT dsaar_pkey PRIMARY KEY (alias_id, dag_id);
ALTER TABLE ONLY public.dag_schedule_asset_name_reference
    ADD CONSTRAINT dsanr_pkey PRIMARY KEY (name, dag_id);
ALTER TABLE ONLY public.dag_schedule_asset_reference
    ADD CONSTRAINT dsar_pkey PRIMARY KEY (asset_id, dag_id);
ALTER TABLE ONLY public.dag_schedule_asset_uri_reference
    ADD CONSTRAINT dsaur_pkey PRIMARY KEY (uri, dag_id);
ALTER TABLE ONLY public.import_error
    ADD CONSTRAINT import_error_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.backfill_dag_run
    ADD CONSTRAINT ix_bdr_backfill_id_dag_run_id UNIQUE (backfill_id, dag_run_id);
ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.log
    ADD CONSTRAINT log_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.log_template
    ADD CONSTRAINT log_template_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.rendered_task_instance_fields
    ADD CONSTRAINT rendered_task_instance_fields_pkey PRIMARY KEY (dag_id, task_id, run_id, map_index);
ALTER TABLE ONLY public.serialized_dag
    ADD CONSTRAINT serialized_dag_dag_version_id_uq UNIQUE (dag_version_id);
ALTER TABLE ONLY public.serialized_dag
    ADD CONSTRAINT serialized_dag_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.slot_pool
    ADD CONSTRAINT slot_pool_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.slot_pool
    ADD CONSTRAINT slot_pool_pool_uq UNIQUE (pool);
ALTER TABLE ONLY public.task_instance
    ADD CONSTRAINT task_instance_composite_key UNIQUE (dag_id, task_id, run_id, map_index);
ALTER TABLE ONLY public.task_instance_history
    ADD CONSTRAINT task_instance_history_dtrt_uq UNIQUE (dag_id, task_id, run_id, map_index, try_number);
ALTER TABLE ONLY public.task_instance_history
    ADD CONSTRAINT task_instance_history_pkey PRIMARY KEY (task_instance_id);
ALTER TABLE ONLY public.task_instance_note
    ADD CONSTRAINT task_instance_note_pkey PRIMARY KEY (ti_id);
ALTER TABLE ONLY public.task_instance
    ADD CONSTRAINT task_instance_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_map
    ADD CONSTRAINT task_map_pkey PRIMARY KEY (dag_id, task_id, run_id, map_index);
ALTER TABLE ONLY public.task_reschedule
    ADD CONSTRAINT task_reschedule_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.task_outlet_asset_reference
    ADD CONSTRAINT toar_pkey PRIMARY KEY (asset_id, dag_id, task_id);
ALTER TABLE ONLY public.trigger
    ADD CONSTRAINT trigger_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.variable
    ADD CONSTRAINT variable_key_uq UNIQUE (key);
ALTER TABLE ONLY public.variable
    ADD CONSTRAINT variable_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.xcom
    ADD CONSTRAINT xcom_pkey PRIMARY KEY (dag_run_id, task_id, map_index, key);
CREATE INDEX dag_id_state ON public.dag_run USING btree (dag_id, state);
CREATE INDEX deadline_idx ON public.deadline USING btree (deadline);
CREATE UNIQUE INDEX idx_asset_active_name_unique ON public.asset_active USING btree (name);
CREATE UNIQUE INDEX idx_asset_active_uri_unique ON public.asset_active USING btree (uri);
CREATE INDEX idx_asset_alias_asset_alias_id ON public.asset_alias_asset USING btree (alias_id);
CREATE INDEX idx_asset_alias_asset_asset_id ON public.asset_alias_asset USING btree (asset_id);
CREATE INDEX idx_asset_alias_asset_event_alias_id ON public.asset_alias_asset_event USING btree (alias_id);
CREATE INDEX idx_asset_alias_asset_event_event_id ON public.asset_alias_asset_event USING btree (event_id);
CREATE UNIQUE INDEX idx_asset_alias_name_unique ON public.asset_alias USING btree (name);
CREATE INDEX idx_asset_dag_run_queue_target_dag_id ON public.asset_dag_run_queue USING btree (target_dag_id);
CREATE INDEX idx_asset_id_timestamp ON public.asset_event USING btree (asset_id, "timestamp");
CREATE UNIQUE INDEX idx_asset_name_uri_unique ON public.asset USING btree (name, uri);
CREATE INDEX idx_asset_trigger_asset_id ON public.asset_trigger USING btree (asset_id);
CREATE INDEX idx_asset_trigger_trigger_id ON public.asset_trigger USING btree (trigger_id);
CREATE INDEX idx_dag_run_dag_id ON public.dag_run USING btree (dag_id);
CREATE INDEX idx_dag_run_queued_dags ON public.dag_run USING btree (state, dag_id) WHERE ((state)::text = 'queued'::text);
CREATE INDEX idx_dag_run_run_after ON public.dag_run USING btree (run_after);
CREATE INDEX idx_dag_run_running_dags ON public.dag_run USING btree (state, dag_id) WHERE ((state)::text = 'running'::text);
CREATE INDEX idx_dag_schedule_asset_alias_reference_dag_id ON public.dag_schedule_asset_alias_reference USING btree (dag_id);
CREATE INDEX idx_dag_schedule_asset_name_reference_dag_id ON public.dag_schedule_asset_name_reference USING btree (dag_id);
CREATE INDEX idx_dag_schedule_asset_reference_dag_id ON public.dag_schedule_asset_reference USING btree (dag_id);
CREATE INDEX idx_dag_schedule_asset_uri_reference_dag_id ON public.dag_schedule_asset_uri_reference USING btree (dag_id);
CREATE INDEX idx_dag_tag_dag_id ON public.dag_tag USING btree (dag_id);
CREATE INDEX idx_dag_warning_dag_id ON public.dag_warning USING btree (dag_id);
CREATE INDEX idx_dagrun_asset_events_dag_run_id ON public.dagrun_asset_event USING btree (dag_run_id);
CREATE INDEX idx_dagrun_asset_events_event_id ON public.dagrun_asset_event USING btree (event_id);
CREATE INDEX idx_job_dag_id ON public.job USING btree (dag_id);
CREATE INDEX idx_job_state_heartbeat ON public.job USING btree (state, latest_heartbeat);
CREATE INDEX idx_log_dttm ON public.log USING btree (dttm);
CREATE INDEX idx_log_event ON public.log USING btree (event);
CREATE INDEX idx_log_task_instance ON public.log USING btree (dag_id, task_id, run_id, map_index, try_number);
CREATE INDEX idx_next_dagrun_create_after ON public.dag USING btree (next_dagrun_create_after);
CREATE INDEX idx_task_outlet_asset_reference_dag_id ON public.task_outlet_asset_reference USING btree (dag_id);
CREATE INDEX idx_tih_dag_run ON public.task_instance_history USING btree (dag_id, run_id);
CREATE INDEX idx_xcom_key ON public.xcom USING btree (key);
CREATE INDEX idx_xcom_task_instance ON public.xcom USING btree (dag_id, task_id, run_id, map_index);
CREATE INDEX job_type_heart ON public.job USING btree (job_type, latest_heartbeat);
CREATE INDEX ti_dag_run ON public.task_instance USING btree (dag_id, run_id);
CREATE INDEX ti_dag_state ON public.task_instance USING btree (dag_id, state);
CREATE INDEX ti_heartbeat ON public.task_instance USING btree (last_heartbeat_at);
CREATE INDEX ti_pool ON public.task_instance USING btree (pool, state, priority_weight);
CREATE INDEX ti_state ON public.task_instance USING btree (state);
CREATE INDEX ti_state_lkp ON public.task_instance USING btree (dag_id, task_id, run_id, state);
CREATE INDEX ti_trigger_id ON public.task_instance USING btree (trigger_id);
ALTER TABLE ONLY public.asset_dag_run_queue
    ADD CONSTRAINT adrq_asset_fkey FOREIGN KEY (asset_id) REFERENCES public.asset(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_dag_run_queue
    ADD CONSTRAINT adrq_dag_fkey FOREIGN KEY (target_dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_active
    ADD CONSTRAINT asset_active_asset_name_uri_fkey FOREIGN KEY (name, uri) REFERENCES public.asset(name, uri) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_alias_asset
    ADD CONSTRAINT asset_alias_asset_alias_id_fkey FOREIGN KEY (alias_id) REFERENCES public.asset_alias(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_alias_asset
    ADD CONSTRAINT asset_alias_asset_asset_id_fkey FOREIGN KEY (asset_id) REFERENCES public.asset(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_alias_asset_event
    ADD CONSTRAINT asset_alias_asset_event_alias_id_fkey FOREIGN KEY (alias_id) REFERENCES public.asset_alias(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_alias_asset_event
    ADD CONSTRAINT asset_alias_asset_event_event_id_fkey FOREIGN KEY (event_id) REFERENCES public.asset_event(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_trigger
    ADD CONSTRAINT asset_trigger_asset_id_fkey FOREIGN KEY (asset_id) REFERENCES public.asset(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.asset_trigger
    ADD CONSTRAINT asset_trigger_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES public.trigger(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.backfill_dag_run
    ADD CONSTRAINT bdr_backfill_fkey FOREIGN KEY (backfill_id) REFERENCES public.backfill(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.backfill_dag_run
    ADD CONSTRAINT bdr_dag_run_fkey FOREIGN KEY (dag_run_id) REFERENCES public.dag_run(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT created_dag_version_id_fkey FOREIGN KEY (created_dag_version_id) REFERENCES public.dag_version(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.dag_owner_attributes
    ADD CONSTRAINT "dag.dag_id" FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag
    ADD CONSTRAINT dag_bundle_name_fkey FOREIGN KEY (bundle_name) REFERENCES public.dag_bundle(name);
ALTER TABLE ONLY public.dag_code
    ADD CONSTRAINT dag_code_dag_version_id_fkey FOREIGN KEY (dag_version_id) REFERENCES public.dag_version(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT dag_run_backfill_id_fkey FOREIGN KEY (backfill_id) REFERENCES public.backfill(id);
ALTER TABLE ONLY public.dag_run_note
    ADD CONSTRAINT dag_run_note_dr_fkey FOREIGN KEY (dag_run_id) REFERENCES public.dag_run(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_tag
    ADD CONSTRAINT dag_tag_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_version
    ADD CONSTRAINT dag_version_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dagrun_asset_event
    ADD CONSTRAINT dagrun_asset_event_dag_run_id_fkey FOREIGN KEY (dag_run_id) REFERENCES public.dag_run(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dagrun_asset_event
    ADD CONSTRAINT dagrun_asset_event_event_id_fkey FOREIGN KEY (event_id) REFERENCES public.asset_event(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_warning
    ADD CONSTRAINT dcw_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.deadline
    ADD CONSTRAINT deadline_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.deadline
    ADD CONSTRAINT deadline_dagrun_id_fkey FOREIGN KEY (dagrun_id) REFERENCES public.dag_run(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_alias_reference
    ADD CONSTRAINT dsaar_asset_alias_fkey FOREIGN KEY (alias_id) REFERENCES public.asset_alias(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_alias_reference
    ADD CONSTRAINT dsaar_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_name_reference
    ADD CONSTRAINT dsanr_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_reference
    ADD CONSTRAINT dsar_asset_fkey FOREIGN KEY (asset_id) REFERENCES public.asset(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_reference
    ADD CONSTRAINT dsar_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_schedule_asset_uri_reference
    ADD CONSTRAINT dsaur_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.rendered_task_instance_fields
    ADD CONSTRAINT rtif_ti_fkey FOREIGN KEY (dag_id, task_id, run_id, map_index) REFERENCES public.task_instance(dag_id, task_id, run_id, map_index) ON DELETE CASCADE;
ALTER TABLE ONLY public.serialized_dag
    ADD CONSTRAINT serialized_dag_dag_version_id_fkey FOREIGN KEY (dag_version_id) REFERENCES public.dag_version(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_instance
    ADD CONSTRAINT task_instance_dag_run_fkey FOREIGN KEY (dag_id, run_id) REFERENCES public.dag_run(dag_id, run_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_instance
    ADD CONSTRAINT task_instance_dag_version_id_fkey FOREIGN KEY (dag_version_id) REFERENCES public.dag_version(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_instance_history
    ADD CONSTRAINT task_instance_history_ti_fkey FOREIGN KEY (dag_id, task_id, run_id, map_index) REFERENCES public.task_instance(dag_id, task_id, run_id, map_index) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY public.dag_run
    ADD CONSTRAINT task_instance_log_template_id_fkey FOREIGN KEY (log_template_id) REFERENCES public.log_template(id);
ALTER TABLE ONLY public.task_instance_note
    ADD CONSTRAINT task_instance_note_ti_fkey FOREIGN KEY (ti_id) REFERENCES public.task_instance(id) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY public.task_instance
    ADD CONSTRAINT task_instance_trigger_id_fkey FOREIGN KEY (trigger_id) REFERENCES public.trigger(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_map
    ADD CONSTRAINT task_map_task_instance_fkey FOREIGN KEY (dag_id, task_id, run_id, map_index) REFERENCES public.task_instance(dag_id, task_id, run_id, map_index) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE ONLY public.task_reschedule
    ADD CONSTRAINT task_reschedule_ti_fkey FOREIGN KEY (ti_id) REFERENCES public.task_instance(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_outlet_asset_reference
    ADD CONSTRAINT toar_asset_fkey FOREIGN KEY (asset_id) REFERENCES public.asset(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.task_outlet_asset_reference
    ADD CONSTRAINT toar_dag_id_fkey FOREIGN KEY (dag_id) REFERENCES public.dag(dag_id) ON DELETE CASCADE;
ALTER TABLE ONLY public.xcom
    ADD CONSTRAINT xcom_task_instance_fkey FOREIGN KEY (dag_id, task_id, run_id, map_index) REFERENCES public.task_instance(dag_id, task_id, run_id, map_index) ON DELETE CASCADE;
