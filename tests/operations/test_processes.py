"""Each role as a process of its own does what one process with all of them does; and each comes back."""

import signal

from harness import Process, wait_until


def test_roles_alone_answer_as_one_process_does(split, split_client):
    split_client.get("/v1/organisations").expect(200)
    with split.client() as anonymous:
        anonymous.get("/v1/organisations").expect(401)


def test_worker_that_died_comes_back(split, split_client):
    split.processes["membership-1"].kill()
    split_client.get("/v1/organisations").expect(200)
    split.processes["membership-2"].kill()
    answer = split_client.get("/v1/organisations").expect(503)
    assert int(answer.headers["Retry-After"]) > 0
    split.start_process("membership-1")
    split.start_process("membership-2")
    split_client.get("/v1/organisations").expect(200)


def test_worker_that_froze_comes_back(split, split_client):
    worker = split.processes["membership-1"]
    worker.freeze()
    for _ in range(4):
        split_client.get("/v1/organisations").expect(200)
    worker.thaw()
    split.wait_ready()


def test_sigint_and_sigterm_end_with_status_0(split):
    worker = split.processes["membership-1"]
    for number in (signal.SIGINT, signal.SIGTERM):
        worker.child.send_signal(number)
        assert worker.wait() == 0
        split.start_process("membership-1")


def test_gateway_does_without_the_secret(split):
    """It faces the network; what page tokens and keys are derived from is the workers' alone."""
    environment = {**split.environment, "CAMPUS_BUS": f"ipc://{split.folder}/other", "CAMPUS_LISTEN": "127.0.0.1:0"}
    del environment["CAMPUS_SECRET_FILE"]
    gateway = Process("secretless", ["serve", "gateway"], split.folder, environment).start()
    wait_until(lambda: "metrics port" in gateway.log(), "it has started")
    gateway.stop()
    worker = Process("secretless", ["serve", "membership"], split.folder, environment).start()
    assert worker.wait() == 1
    assert "setting secret_file" in worker.log()


def test_postgresql_crash_is_survived(split, split_client):
    split.cluster.crash()
    split_client.get("/v1/organisations").expect(503)
    split.cluster.start()
    wait_until(lambda: split_client.get("/v1/organisations").status == 200, "an answer from the database")
