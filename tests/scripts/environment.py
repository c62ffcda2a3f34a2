"""A Python environment with packages that a test needs, made if need be."""
import os, subprocess, sys, venv


def run_in(folder, packages, script, arguments):
    """Run `script` in the environment `folder`, which gets `packages`; exit status 77 when they can't be installed here."""
    python = os.path.join(folder, "Scripts" if os.name == "nt" else "bin", "python")
    ready = os.path.join(folder, "ready")
    wanted = "\n".join(packages)
    if not os.path.exists(ready) or open(ready).read() != wanted:
        try:
            venv.create(folder, clear=True, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, capture_output=True, text=True)
        except subprocess.CalledProcessError as e:
            lines = (e.stderr or str(e)).strip().splitlines()
            print(f"{', '.join(packages)} can't be installed: {lines[-1] if lines else e}")
            return 77
        with open(ready, "w") as f:
            f.write(wanted)
    return subprocess.run([python, script, *arguments]).returncode
