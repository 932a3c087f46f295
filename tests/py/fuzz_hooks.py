"""What schemathesis has to be told (test_security.py): how a body of bytes is sent."""
import schemathesis


@schemathesis.serializer("application/x-hdf5")
def send_bytes(_, value):
    return value if isinstance(value, bytes) else str(value).encode()
