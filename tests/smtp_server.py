"""A mail server for tests: aiosmtpd, which behaves as the receiver's name asks for.

The first line on its output is its port, each further one a mail that it has taken, as JSON. `refused@` is refused when it
is named (550), `unwanted@` when the mail is there (554), `later@` is put off the first time (451), and `slow@` is answered
after so many seconds as --slow says. Options: --cert and --key (PEM) for TLS, --implicit for TLS from the first byte, --user
and --password for a log-in that is demanded.
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--cert")
parser.add_argument("--key")
parser.add_argument("--implicit", action="store_true")
parser.add_argument("--user")
parser.add_argument("--password")
parser.add_argument("--slow", type=float, default=30.0)
options = parser.parse_args()


class Handler:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of that name"
        if address.startswith("later@") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.3.0 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        receiver = envelope.rcpt_tos[0]
        if receiver.startswith("unwanted@"):
            return "554 5.7.1 not wanted"
        if receiver.startswith("slow@"):
            await asyncio.sleep(options.slow)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or options.implicit,
            "user": session.auth_data,
            "headers": {name: str(value) for name, value in mail.items()},
            "text": parts["text/plain"].get_content() if "text/plain" in parts else None,
            "html": parts["text/html"].get_content() if "text/html" in parts else None,
            "parts": sorted(parts),
        }
        print(json.dumps(taken), flush=True)
        return "250 2.0.0 taken as mail-17"


def authenticate(server, session, envelope, mechanism, data):
    given = (data.login.decode(), data.password.decode())
    return AuthResult(success=given == (options.user, options.password), handled=False, auth_data=given[0])


async def main():
    context = None
    if options.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.cert, options.key)
    handler = Handler()

    def session():
        wants_starttls = context is not None and not options.implicit
        return SMTP(
            handler,
            hostname="mail.test",
            tls_context=context if wants_starttls else None,
            require_starttls=wants_starttls,
            authenticator=authenticate if options.user else None,
            auth_required=options.user is not None,
            auth_require_tls=wants_starttls,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if options.implicit else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
