# Optuna's gRPC storage proxy: optunaProxy.py PORT [URL of a database]
import sys
import warnings

import optuna

warnings.simplefilter("ignore")
url = sys.argv[2] if len(sys.argv) > 2 else None
storage = optuna.storages.get_storage(url) if url else optuna.storages.InMemoryStorage()
optuna.storages.run_grpc_proxy_server(storage, host="127.0.0.1", port=int(sys.argv[1]))
