"""From options to what is to be started: ports, certificates, tokens, kubeconfigs, and the list of processes.

Idempotent: a second start finds what the first made, and only what is missing or about to expire is made.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from urllib.parse import quote

from deploy import identities, passwords, pki, remembered, trust
from deploy.datadir import DataDir
from deploy.errors import UserError
from deploy.health import Probe
from deploy.kubeconfig import write_kubeconfig
from deploy.nodes import ApiQuestion
from deploy.options import UpOptions
from deploy.plan import Servers, Spec, Tier, control_plane, kubelets, program
from deploy.ports import HOST, NoFreePort, free_port, is_free, listening
from deploy.reach import NATS_PORTS, REDIS_PORTS, complaint, read_along, why_unreachable
from deploy.remembered import Remembered
from deploy.servers import NatsServer, RedisServer, ServerMissing, nats_binary, valkey_binary


@dataclass(frozen=True, slots=True)
class Prepared:
    specs: list[Spec]
    listener: socket.socket
    """The API server's port, open. Whoever gets this closes it."""
    question: ApiQuestion
    node_names: tuple[str, ...]


def prepare(data: DataDir, options: UpOptions) -> Prepared:
    """The data-dir exists and is ours. Raises UserError."""
    check_reachable(options)
    kept = _ports(remembered.load(data.settings), options)
    remembered.save(data.settings, kept)
    port = options.port or kept.port
    supervisor = os.getpid()
    servers, specs = _servers(data, options, kept, port=port, supervisor=supervisor)
    try:
        listener = listening(port)
    except OSError as err:
        raise UserError(f"cannot listen on port {port} of {HOST}: {err.strerror}; name another with --port") from err
    servers = replace(servers, listener=listener.fileno(), api_servers=options.api_servers)
    question = _credentials(data, options, f"https://{HOST}:{port}")
    specs += control_plane(data, servers, id_=kept.id, supervisor=supervisor)
    if options.nodes:
        specs += kubelets(data, servers, names=options.node_names, runtime=options.runtime, supervisor=supervisor)
    return Prepared(specs, listener, question, options.node_names)


def _ports(kept: Remembered, options: UpOptions) -> Remembered:
    if options.port and not is_free(options.port):
        raise UserError(
            f"port {options.port} of {HOST} is in use; name another with --port, or let a free one be picked with "
            "--port 0"
        )
    try:
        port = kept.port if options.port else free_port(preferred=kept.port)
        nats_port = kept.nats_port
        if not options.nats_url:
            nats_port = free_port(preferred=kept.nats_port, avoid=frozenset({port, options.port}))
    except NoFreePort as err:
        raise UserError(f"{err}; name one with --port") from err
    return kept.with_ports(port=port, nats_port=nats_port)


def _servers(
    data: DataDir, options: UpOptions, kept: Remembered, *, port: int, supervisor: int
) -> tuple[Servers, list[Spec]]:
    """Where Redis and NATS are, and those of them that we run."""
    specs = []
    redis_url, nats_url, seed = options.redis_url, options.nats_url, options.nats_listeners_seed
    agent_nats_url = "" if seed is not None else nats_url
    try:
        if not redis_url:
            password = passwords.ensure(data.redis_password)
            redis = RedisServer(data.redis, data.redis_socket, valkey_binary(), password)
            redis.write_config()
            redis_url = redis.url
            probe = Probe(redis=str(redis.socket))
            specs.append(program("redis", Tier.RECORD, redis.command(), probe, supervisor=supervisor))
        if not nats_url:
            nats = NatsServer(data.nats, HOST, kept.nats_port, trust.ensure(data), nats_binary())
            nats.write_config()
            nats_url = f"{nats.url}?credentials={quote(str(data.nats_credentials))}"
            seed = data.nats_listeners_seed
            probe = Probe(nats=nats.port)
            specs.append(program("nats", Tier.BUS, nats.command(), probe, supervisor=supervisor))
    except ServerMissing as err:
        raise UserError(str(err)) from err
    return Servers(redis_url, nats_url, agent_nats_url, port, listeners_seed=seed), specs


def _credentials(data: DataDir, options: UpOptions, server: str) -> ApiQuestion:
    authority = pki.ensure(data.pki).ca
    agents = [identities.SCHEDULER, identities.CONTROLLERS]
    agents += [identities.node(name) for name in options.process_nodes]
    if options.runtime == "sim":
        agents.append(identities.FLEET)
    tokens = identities.ensure_tokens(data.tokens, [identities.ADMIN, *agents])
    ca_pem = authority.read_bytes()
    targets = {data.kubeconfig: identities.ADMIN}
    targets.update({data.kubeconfigs / f"{agent.name}.kubeconfig": agent for agent in agents})
    for path, who in targets.items():
        write_kubeconfig(path, server=server, ca_pem=ca_pem, user=who.user, token=tokens[who.user])
    return ApiQuestion(server, authority, tokens[identities.ADMIN.user])


def check_reachable(options: UpOptions) -> None:
    """The servers that the user named. Raises UserError: better now than as a control plane that never gets ready."""
    seed = options.nats_listeners_seed
    if seed is not None and not (options.nats_url and seed.is_file()):
        why = f"there is no file {seed}" if options.nats_url else "it is for a NATS of your own, which --nats names"
        raise UserError(f"--nats-listeners-seed-file: {why}")
    for what, flag, url, ports in (
        ("Redis", "--redis", options.redis_url, REDIS_PORTS),
        ("NATS", "--nats", options.nats_url, NATS_PORTS),
    ):
        why = (complaint(url, ports) or read_along(url)) if url else ""
        if why:
            raise UserError(f"{flag}: {why}")
        why = why_unreachable(url, ports) if url else ""
        if why:
            raise UserError(f"cannot reach {what}: {why}. Start it, or leave {flag} away for an embedded one")
