"""The addresses that a load balancer reports in the status of a Service or an Ingress."""

from __future__ import annotations

from typing import Any

from apiserver.api.fielderrors import forbidden, invalid_value, not_supported, required
from apiserver.api.kinds._addresses import check_ip, family_of
from apiserver.api.kinds._checks import Errors, check_name, dns_subdomain

Balancer = dict[str, Any]

_MODES = ("Proxy", "VIP")


def check_ingress(balancer: Balancer, *, service_type: str) -> Errors:
    """The status of a Service of this type."""
    errors: Errors = []
    path = "status.loadBalancer.ingress"
    ingresses = balancer.get("ingress") or []
    if ingresses and service_type != "LoadBalancer":
        errors.append(forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'"))
        return errors
    for i, ingress in enumerate(ingresses):
        _check_mode(ingress, f"{path}[{i}]", errors)
        check_place(ingress, f"{path}[{i}]", errors)
    return errors


def check_place(ingress: Balancer, path: str, errors: Errors) -> None:
    """An address, a host name, or both."""
    ip, host = ingress.get("ip") or "", ingress.get("hostname") or ""
    if ip:
        check_ip(ip, f"{path}.ip", errors)
    if host:
        check_name(host, f"{path}.hostname", errors, rule=dns_subdomain)
        if family_of(host):
            errors.append(invalid_value(f"{path}.hostname", host, "must be a DNS name, not an IP address"))


def _check_mode(ingress: Balancer, path: str, errors: Errors) -> None:
    mode, ip = ingress.get("ipMode"), ingress.get("ip") or ""
    if mode is None:
        if ip:
            errors.append(required(f"{path}.ipMode", "must be specified when `ip` is set"))
    elif not ip:
        errors.append(forbidden(f"{path}.ipMode", "may not be specified when `ip` is not set"))
    elif mode not in _MODES:
        errors.append(not_supported(f"{path}.ipMode", mode, _MODES))


def ingress_text(balancer: Balancer) -> str:
    """What a table shows: every address, or host name where there is none."""
    places = (i.get("ip") or i.get("hostname") or "" for i in balancer.get("ingress") or ())
    return ",".join(sorted({place for place in places if place}))
