"""Prints what Optuna reads in a journal, as JSON with NaN and infinities: describe.py JOURNAL."""

import json
import sys
from datetime import datetime, timedelta, timezone

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def milliseconds(date):
    return None if date is None else (date.astimezone(timezone.utc) - EPOCH) // timedelta(milliseconds=1)


def describe(path):
    storage = JournalStorage(JournalFileBackend(path))
    studies = []
    for study in storage.get_all_studies():
        trials = [
            {
                "number": trial.number,
                "id": trial._trial_id,
                "state": trial.state.name.lower(),
                "value": trial.values[0] if trial.values else None,
                "params": trial.params,
                "distributions": {
                    name: json.loads(distribution_to_json(d)) for name, d in trial.distributions.items()
                },
                "intermediate": sorted([step, value] for step, value in trial.intermediate_values.items()),
                "user_attrs": trial.user_attrs,
                "system_attrs": trial.system_attrs,
                "start": milliseconds(trial.datetime_start),
                "end": milliseconds(trial.datetime_complete),
            }
            for trial in storage.get_all_trials(study._study_id)
        ]
        studies.append(
            {
                "id": study._study_id,
                "name": study.study_name,
                "directions": [d.name.lower() for d in study.directions],
                "user_attrs": study.user_attrs,
                "system_attrs": study.system_attrs,
                "trials": trials,
            }
        )
    return studies


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(json.dumps(describe(sys.argv[1])))
