"""A temporary S3 server: `moto` in a subprocess, in memory."""

import os
import subprocess
import sys
from typing import Self

import obstore
from obstore.store import S3Store

from tests.support.patience import seconds
from tests.support.serving import clean_environment, free_port, wait_until_up

KEY, SECRET, NAME = "blog", "a secret/with+signs", "images"


class BucketServer:
    """An S3 server with one bucket, which is empty after each start."""

    def __init__(self) -> None:
        self._port = free_port()
        self.url = f"http://{KEY}:a%20secret%2Fwith%2Bsigns@127.0.0.1:{self._port}/{NAME}/of-a-blog?region=eu-1"

    def start(self) -> None:
        """Start the server and create the bucket."""
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self._port)]
        environment = clean_environment() | {"PATH": os.environ["PATH"]}
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until_up(self._port, self._process)
        subprocess.run(
            [sys.executable, "-c", _MAKE_BUCKET, f"http://127.0.0.1:{self._port}", KEY, SECRET, NAME],
            check=True, capture_output=True, env=environment,
        )  # fmt: skip

    def names(self) -> set[str]:
        """Return the names of all objects, with the prefix of the blog."""
        store = S3Store(
            NAME, endpoint=f"http://127.0.0.1:{self._port}", region="eu-1", access_key_id=KEY, secret_access_key=SECRET,
            virtual_hosted_style_request=False, client_options={"allow_http": True},
        )  # fmt: skip
        return {item["path"] for batch in obstore.list(store) for item in batch}

    def stop(self) -> None:
        """Stop the server; its content is lost."""
        self._process.terminate()
        self._process.wait(seconds(10))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


_MAKE_BUCKET = """
import sys, boto3
endpoint, key, secret, name = sys.argv[1:]
client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")
client.create_bucket(Bucket=name)
"""
