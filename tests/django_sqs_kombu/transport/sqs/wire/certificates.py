"""An authority of one's own, and certificates that it signs."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for 127.0.0.1; files are kept in *folder*."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority")])
        own = self._signed(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = self._write("authority.pem", own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, name):
        """The files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = self._signed(subject, key, address)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        public = signed.public_bytes(serialization.Encoding.PEM)
        return self._write(f"{name}.pem", public), self._write(f"{name}.key", secret)

    def tls(self, *, ask_client=False):
        """What a server on 127.0.0.1 needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate("server"))
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def _signed(self, subject, key, extension):
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = x509.CertificateBuilder(
            self._name, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY
        )
        return builder.add_extension(extension, critical=False).sign(self._key, hashes.SHA256())

    def _write(self, name, content):
        file = self._folder / name
        file.write_bytes(content)
        return str(file)
