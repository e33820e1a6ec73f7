"""The errors of object stores: which may pass if the call is repeated, and what to tell the user about the others.

Errors are recognised by their names and codes, so that this file needs none of the packages that raise them.
"""

from __future__ import annotations

import errno

PASSING_CODES = {
    errno.EIO, errno.EREMOTEIO, errno.EBUSY, errno.ETIMEDOUT, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED,
    errno.EPIPE, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EAGAIN,
}  # fmt: skip

PASSING_NAMES = {
    "ConnectionError", "HTTPClientError", "TimeoutError", "FSTimeoutError", "IncompleteRead", "ResponseParserError",
    "ClientConnectionError", "ClientPayloadError", "ResponseStreamingError",
}  # fmt: skip

NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "CredentialRetrievalError",
    "TokenRetrievalError", "UnauthorizedSSOTokenError", "SSOTokenLoadError", "InvalidConfigError", "ConfigParseError",
    "DefaultCredentialsError",
}  # fmt: skip

REFUSED_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId",
    "TokenRefreshRequired", "RequestTimeTooSkewed",
}  # fmt: skip

FULL = {"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "507"}


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later: the store is busy or restarting, or the network failed."""
    if _code(error) in FULL | REFUSED_CREDENTIALS or isinstance(error, PermissionError | FileNotFoundError):
        return False
    if isinstance(error, OSError) and error.errno in PASSING_CODES:
        return True
    return bool(_kinds(error) & PASSING_NAMES)


def bucket_is_missing(error: BaseException) -> bool:
    """Whether `error` says that the bucket is absent, not just an object in it."""
    return _code(error) == "NoSuchBucket" or "bucket does not exist" in str(error).lower()


def sentence(place: str, error: BaseException, tries: int) -> str:
    """What went wrong and the way out, in one sentence.

    Args:
        place: The address that was used.
        error: The last error.
        tries: How often the call was tried.

    Returns:
        The sentence for a StorageError.
    """
    code, kind = _code(error), type(error).__name__
    if bucket_is_missing(error):
        why = "there is no such bucket: create it, or correct compute.storage"
    elif _kinds(error) & NO_CREDENTIALS:
        why = (
            f"no usable credentials were found ({kind}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            "AWS_PROFILE and a profile in ~/.aws"
        )
    elif code in REFUSED_CREDENTIALS:
        why = f"the store does not accept these credentials ({code}): renew them"
    elif code in FULL or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        why = "the store is full: free some space there and resume"
    elif isinstance(error, PermissionError):
        why = "access is denied: these credentials need to read, write, list and delete below it"
    elif is_passing(error):
        why = f"it did not answer in {tries} tries ({code or kind}): check the network and AWS_ENDPOINT_URL, and resume"
    elif isinstance(error, NotImplementedError):
        why = "this kind of store cannot be written: name another one in compute.storage"
    else:
        why = f"the store refuses ({code or kind}): check compute.storage and AWS_ENDPOINT_URL"
    return f"cannot use {place}: {why}"


def _code(error: BaseException) -> str:
    """The store's own code of an error or of its cause, such as `NoSuchBucket`; empty if there is none."""
    for part in (error, error.__cause__):
        response = getattr(part, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}
