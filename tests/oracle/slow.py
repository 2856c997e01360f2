"""The whole slow oracle: the parts of `docs/claims.md`, put together."""

from oracle import slow_bodies, slow_claims, slow_company, slow_tracks
from oracle.slow_claims import MalformedClaim, check

for part in (slow_tracks, slow_bodies, slow_company):
    slow_claims.CHECKS.update(part.CHECKS)
for inner in (slow_tracks, slow_bodies):
    slow_claims.INNER_ARGS.update(inner.ONE_TRACK)
for other in (slow_tracks, slow_company):
    slow_claims.OTHER_ARGS.update(other.OTHER)

__all__ = ["MalformedClaim", "check"]
