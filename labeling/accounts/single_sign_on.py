"""Sign-in by OpenID Connect, stricter than allauth: the signature, the issuer, the audience and the nonce are checked.

Imported only where a provider is configured (settings.OIDC).
"""

import secrets
import time
from hmac import compare_digest
from typing import Any

import jwt
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from requests import RequestException

# Of public keys alone: a token signed with a shared secret, or not at all, is declined.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
NEEDED = ["iss", "aud", "exp", "iat", "sub"]
TEXTS = ("iss", "sub", "preferred_username", "given_name", "family_name", "email")
# What is raised where something answers that is no provider of OpenID Connect, or nothing at all.
NO_PROVIDER = (RequestException, AttributeError, KeyError, TypeError, ValueError)
CLOCK_DIFFERENCE = 60  # seconds

Claims = dict[str, Any]  # untyped: what a provider says of a person, by names of its own


class Answers(OpenIDConnectOAuth2Adapter):
    """What the provider answers with. `nonce` is what this browser's request was sent with.

    not_before  seconds since 1970: the person must have signed in at the provider since then; None: whenever
    """

    nonce = ""
    not_before: float | None = None

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **more: Any) -> Any:
        """The identity that the ID token states. Raises OAuth2Error, with which nobody is signed in."""
        id_token = more["response"].get("id_token")
        if not id_token:
            raise OAuth2Error("the provider sent no id_token")
        config = self.openid_config
        with get_adapter().get_requests_session() as session:
            answer = session.get(config["jwks_uri"])
            answer.raise_for_status()
            keys = answer.json()
        claims = checked_claims(id_token, keys=keys, issuer=config["issuer"], client_id=app.client_id, nonce=self.nonce)
        if self.not_before is not None:
            decline_older_sign_in(claims, since=self.not_before)
        return self.get_provider().sociallogin_from_response(request, {"id_token": known_claims(claims)})


class Provider(OpenIDConnectProvider):
    """Sends a nonce, and takes neither scopes nor other parameters from the address that a browser asks for.

    With `confirm` in that address the provider asks the person for their password again, whoever sits at the browser
    (OpenID Connect Core 1.0, section 3.1.2.1: prompt and max_age).
    """

    oauth2_adapter_class = Answers

    def redirect(self, request: HttpRequest, process: str, next_url: Any = None, data: Any = None, **more: Any) -> Any:
        nonce = secrets.token_urlsafe(32)
        more["auth_params"] = self.get_auth_params() | {"nonce": nonce}
        more["scope"] = self.get_scope()
        if "confirm" in request.GET:
            more["auth_params"] |= {"prompt": "login", "max_age": "0"}
            more["confirms"] = time.time()
        return super().redirect(request, process, next_url, data, nonce=nonce, **more)


class Begin(OAuth2LoginView):
    """Sends the browser to the provider."""


class Callback(OAuth2CallbackView):
    """The browser comes back. What it was sent with is in its session, under the state."""

    def _get_state(self, request: HttpRequest, provider: Any) -> Any:
        state, answer = super()._get_state(request, provider)
        if state is not None:
            self.adapter.nonce = state.get("nonce", "")
            self.adapter.not_before = state.get("confirms")
        return state, answer


def checked_claims(id_token: str, *, keys: Claims, issuer: str, client_id: str, nonce: str) -> Claims:
    """What an ID token states, after OpenID Connect Core 1.0, section 3.1.3.7.

    keys   the provider's JSON Web Key Set
    nonce  of the request that this browser was sent with; an empty one is never equal

    Raises OAuth2Error with the reason.
    """
    try:
        header = jwt.get_unverified_header(id_token)
        key = _key_of(jwt.PyJWKSet.from_dict(keys), header.get("kid"))
        claims: Claims = jwt.decode(
            id_token,
            key=key,
            algorithms=list(ALGORITHMS),
            audience=client_id,
            issuer=issuer,
            leeway=CLOCK_DIFFERENCE,
            options={"require": NEEDED},
        )
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise OAuth2Error(f"the id_token is not valid: {error}") from error
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != client_id:
        raise OAuth2Error("the id_token is for several clients and was not asked for by this one")
    if not nonce or not compare_digest(str(claims.get("nonce", "")), nonce):
        raise OAuth2Error("the nonce of the id_token is not the one that was sent")
    return claims


def decline_older_sign_in(claims: Claims, *, since: float) -> None:
    """Raises OAuth2Error unless the provider states that the person signed in there since then."""
    stated = claims.get("auth_time")
    if not isinstance(stated, int | float) or stated < since - CLOCK_DIFFERENCE:
        raise OAuth2Error("the provider was asked to ask the person again and does not state that it did (auth_time)")


def known_claims(claims: Claims) -> Claims:
    """What is read of a person: texts that are texts, and whether the address is verified."""
    known: Claims = {name: claims[name] for name in TEXTS if isinstance(claims.get(name), str)}
    known["email_verified"] = claims.get("email_verified") is True
    return known


def _key_of(keys: jwt.PyJWKSet, kid: object) -> jwt.PyJWK:
    """The key with this number; without a number the only key. Raises OAuth2Error."""
    if kid is None and len(keys.keys) == 1:
        return keys.keys[0]
    for key in keys.keys:
        if key.key_id == kid:
            return key
    raise OAuth2Error("the id_token names a key that the provider does not have")
