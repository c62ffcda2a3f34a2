#!/usr/bin/env python3
"""Writes the ONNX format's own node tests, which the onnx package carries, in the layout of its test data.

    python3 tests/scripts/onnx_nodes.py ENVIRONMENT FOLDER OPERATOR,OPERATOR...

FOLDER/cases.tsv gets a line for each case of the package: its name, a tab, the operators of its graph. Each case that is a single
node of one of the operators becomes FOLDER/NAME with model.onnx and test_data_set_0/input_*.pb and output_*.pb.
Exit status 77: the package can't be installed here.
"""
import os, sys, warnings


def write(folder, operators):
    # Casts that overflow are the package's own tests.
    warnings.simplefilter("ignore")
    import onnx
    from onnx import TensorProto, numpy_helper
    from onnx.backend.test.case.node import collect_testcases

    cases = collect_testcases(None)
    for case in cases:
        nodes = case.model.graph.node
        if len(nodes) != 1 or nodes[0].op_type not in operators:
            continue
        (inputs, outputs), place = case.data_sets[0], os.path.join(folder, case.name)
        data = os.path.join(place, "test_data_set_0")
        os.makedirs(data)
        onnx.save(case.model, os.path.join(place, "model.onnx"))
        for kind, values, infos in [("input", inputs, case.model.graph.input), ("output", outputs, case.model.graph.output)]:
            for i, (value, info) in enumerate(zip(values, infos, strict=True)):
                tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(value, info.name)
                with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as f:
                    f.write(tensor.SerializeToString())
    with open(os.path.join(folder, "cases.tsv"), "w") as f:
        for case in cases:
            f.write(case.name + "\t" + " ".join(node.op_type for node in case.model.graph.node) + "\n")
    print(f"onnx {onnx.__version__}: {len(cases)} cases")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        from environment import run_in
        from onnx_runtime import PACKAGES

        sys.exit(run_in(sys.argv[1], PACKAGES, __file__, sys.argv[2:]))
    write(sys.argv[1], sys.argv[2].split(","))
