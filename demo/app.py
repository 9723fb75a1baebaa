"""The Space: a model named by the environment, on the page that `fakeimg demo` shows."""

import os

from fakeimg.app import build, serve

model = os.environ.get("FAKEIMG_MODEL", "bundled")
revision = os.environ.get("FAKEIMG_REVISION")
others = os.environ.get("FAKEIMG_MODELS", "").split()
page = build(
    f"{model}@{revision}" if revision else model,
    models=others,
    generate=os.environ.get("FAKEIMG_GENERATE", "on") != "off",
)

if __name__ == "__main__":
    serve(page, host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"), port=int(os.environ.get("PORT", "7860")))
