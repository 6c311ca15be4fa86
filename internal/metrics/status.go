package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidewire/tidewire/internal/gateway"
)

var (
	sourceState = prometheus.NewDesc(
		"tidewire_source_state",
		"1 for the state that a source is in, 0 for the others: pending, ok, stale and failing.",
		[]string{"source", "state"},
		nil,
	)
	sourceSuccess = prometheus.NewDesc("tidewire_source_last_success_timestamp_seconds",
		"The time of a source's newest value; absent before the first.", []string{"source"}, nil)
	alertState = prometheus.NewDesc(
		"tidewire_alert_state",
		"1 for the state that the alert of a source or a job is in, 0 for the others: clear, pending, firing and unknown. Absent without an alert.",
		[]string{"source", labelJob, "state"},
		nil,
	)
	alertWaiting = prometheus.NewDesc("tidewire_alert_messages_waiting",
		"Messages about alerts that wait for a receiver.", []string{"receiver"}, nil)
	alertFailing = prometheus.NewDesc("tidewire_alert_receiver_failing",
		"1 while a receiver of alerts cannot be told, else 0.", []string{"receiver"}, nil)
	alertSilences = prometheus.NewDesc("tidewire_alert_silences",
		"Silences that people have made and that have not ended.", nil, nil)
	jobRunning = prometheus.NewDesc("tidewire_job_runs_in_progress",
		"Runs of a job in progress.", []string{labelJob}, nil)
	jobQueued = prometheus.NewDesc("tidewire_job_queue_length",
		"Runs of a job that wait in the queue.", []string{labelJob}, nil)
	forwardWaiting = prometheus.NewDesc("tidewire_forward_waiting",
		"Sources and jobs whose newest state waits to be published, by where to: nats or http.", []string{"to"}, nil)
	forwardFailing = prometheus.NewDesc("tidewire_forward_failing",
		"1 while states cannot be published, else 0.", []string{"to"}, nil)
	configGood = prometheus.NewDesc("tidewire_config_last_reload_successful",
		"1 if the newest configuration is in effect, 0 if it was refused and an older one still is.", nil, nil)
	configLoaded = prometheus.NewDesc("tidewire_config_last_reload_success_timestamp_seconds",
		"When the configuration in effect was loaded.", nil, nil)
	storeFailing = prometheus.NewDesc("tidewire_store_failing",
		"1 while the store cannot be written, else 0. Absent with a store in memory.", nil, nil)
	storeBytes = prometheus.NewDesc("tidewire_store_bytes",
		"The size of the database on disk. Absent with a store in memory.", nil, nil)
	storeDropped = prometheus.NewDesc("tidewire_store_dropped_total",
		"Records that were not stored because the disk failed for too long. Absent with a store in memory.", nil, nil)
	replicas = prometheus.NewDesc("tidewire_replicas",
		"Processes that share the store, as this one sees them. Absent if no others can.", nil, nil)
	replicaSources = prometheus.NewDesc("tidewire_replica_sources",
		"Sources that this replica polls.", nil, nil)
	replicaJobs = prometheus.NewDesc("tidewire_replica_jobs",
		"Jobs whose runs this replica starts.", nil, nil)
	replicasDiffer = prometheus.NewDesc("tidewire_replicas_other_config",
		"Replicas with another configuration than this one.", nil, nil)
	storeConnected = prometheus.NewDesc("tidewire_store_connected",
		"1 while there is a connection to a server of the store, else 0. Absent if the store is not shared.", nil, nil)
	storeLease = prometheus.NewDesc("tidewire_store_lease_age_seconds",
		"How long ago the lease of this process was renewed. Absent while it has none.", nil, nil)
	storeResyncs = prometheus.NewDesc("tidewire_store_resyncs_total",
		"How often all that the store has was read again, as something may have been missed.", nil, nil)
)

// A statusCollector collects the status of a gateway at one scrape.
type statusCollector gateway.Status

func (statusCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{sourceState, sourceSuccess, jobRunning, jobQueued, alertState, alertWaiting, alertFailing, alertSilences, forwardWaiting, forwardFailing, configGood, configLoaded, storeFailing, storeBytes, storeDropped, replicas, replicaSources, replicaJobs, replicasDiffer, storeConnected, storeLease, storeResyncs} {
		ch <- d
	}
}

func (now statusCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	alert := func(source, job, is string) {
		for _, state := range gateway.AlertStates() {
			if is != "" {
				gauge(alertState, one(is == state), source, job, state)
			}
		}
	}
	for _, s := range now.Sources {
		for _, state := range gateway.States() {
			gauge(sourceState, one(s.State == state), s.Name, state)
		}
		alert(s.Name, "", s.Alert)
		if !s.LastSuccess.IsZero() {
			gauge(sourceSuccess, float64(s.LastSuccess.UnixMilli())/1000, s.Name)
		}
	}
	for _, j := range now.Jobs {
		gauge(jobRunning, float64(j.Running), j.Name)
		gauge(jobQueued, float64(j.Queued), j.Name)
		alert("", j.Name, j.Alert)
	}
	for _, r := range now.Receivers {
		gauge(alertWaiting, float64(r.Waiting), r.Name)
		gauge(alertFailing, one(r.FailingSince != nil), r.Name)
	}
	gauge(alertSilences, float64(now.Silences))
	for _, f := range now.Forwards {
		gauge(forwardWaiting, float64(f.Waiting), f.To)
		gauge(forwardFailing, one(f.Failing), f.To)
	}
	gauge(configGood, one(now.Config.Good))
	gauge(configLoaded, float64(now.Config.LoadedAt.UnixMilli())/1000)
	if now.Store != nil {
		gauge(storeFailing, one(now.Store.Failing))
		gauge(storeBytes, float64(now.Store.Bytes))
		ch <- prometheus.MustNewConstMetric(storeDropped, prometheus.CounterValue, float64(now.Store.Dropped))
	}
	if r := now.Replicas; r != nil {
		if now.Store == nil {
			gauge(storeFailing, one(r.Failing))
		}
		gauge(replicas, float64(r.Count))
		gauge(replicaSources, float64(r.Sources))
		gauge(replicaJobs, float64(r.Jobs))
		gauge(replicasDiffer, float64(r.Differ))
		gauge(storeConnected, one(r.Connected))
		if r.LeaseAge >= 0 {
			gauge(storeLease, r.LeaseAge.Seconds())
		}
		ch <- prometheus.MustNewConstMetric(storeResyncs, prometheus.CounterValue, float64(r.Resyncs))
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
