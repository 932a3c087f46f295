#!/bin/bash
# deploy/demo.sh - the main job from end to end: real HST/COSMOS shear (or, where that is not at hand, a mock catalogue
# of the same survey) to a posterior and a mass map, and a small simulated LSST-Y10 survey with the truth inside.
# FF_SHARED names the folder that has data/cosmos; BUILD the build folder. Everything lands in BUILD/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${BUILD:-build}
data=${FF_SHARED:-../shared}/data/cosmos
out=$build/demo
ffctl=$build/bin/ffctl
mkdir -p "$out"

say() { printf '\n== %s\n' "$*"; }

# The job names its dataset relative to itself; a build folder of another name gets its own copy of the job.
job_for_build() {
    if [ "$build" = build ]; then
        echo examples/cosmos.json
    else
        sed "s|@../build/demo/|@|" examples/cosmos.json >"$out/cosmos.json"
        echo "$out/cosmos.json"
    fi
}

say "1. Shear catalogue to a map"
catalog_options=(--npix 64 --size-deg 1.4 --sigma-e 0.3095 --flip-e2)
if [ -r "$data/ra.fits" ]; then
    echo "HST/COSMOS, faint galaxies (Schrabback et al. 2010) from $data"
    columns=("$data/ra.fits" "$data/dec.fits" "$data/e1.fits" "$data/e2.fits" "$data/nhweight_int.fits")
    "$ffctl" catalog "${columns[@]}" --rows 165159: "${catalog_options[@]}" -o "$out/cosmos.h5"
else
    echo "$data is not there (FF_SHARED names the folder above it): a mock catalogue of the same survey instead"
    "$ffctl" run examples/cosmos-mock.json -o "$out/cosmos-mock.h5"
    "$ffctl" mock-catalog "$out/cosmos-mock.h5" --galaxies 251958 --sigma-e 0.3095 --seed 1 --flip-e2 \
        -o "$out/mock-catalog"
    columns=("$out"/mock-catalog/{ra,dec,e1,e2,weight}.fits)
    "$ffctl" catalog "${columns[@]}" "${catalog_options[@]}" -o "$out/cosmos.h5"
fi

say "2. sigma8, omega_c and the mass map from that shear"
"$ffctl" run "$(job_for_build)" -o "$out/cosmos-posterior.h5" >/dev/null # the summary comes at the end
"$ffctl" export "$out/cosmos-posterior.h5" --format png --map convergence_mean -o "$out/cosmos-mass-map.png"
"$ffctl" export "$out/cosmos-posterior.h5" --format corner -o "$out/cosmos-corner.png"

say "3. Six parameters from a simulated LSST-Y10 survey (64 x 64 pixels, 5 bins), whose truth is known"
"$ffctl" run examples/lsst-y10-small.json -o "$out/lsst-y10-small.h5" >/dev/null
"$ffctl" export "$out/lsst-y10-small.h5" --format png --map convergence_mean --bin 4 -o "$out/lsst-y10-mass-map.png"
"$ffctl" export "$out/lsst-y10-small.h5" --format corner -o "$out/lsst-y10-corner.png"

say "Both posteriors"
"$ffctl" describe "$out/cosmos-posterior.h5"
echo
"$ffctl" describe "$out/lsst-y10-small.h5"

say "What to look at"
ls -1 "$out"/*.png
echo "The results open with ArviZ (az.from_netcdf), xarray and h5py: $out/cosmos-posterior.h5, $out/lsst-y10-small.h5"
