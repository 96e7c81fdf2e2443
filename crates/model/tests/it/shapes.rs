//! The layer shapes that benchmarks read are data in `benches/shapes`; this test keeps them true to the architecture
//! tables. After a change of the tables, write them anew with `VERTEBRA_WRITE_SHAPES=1`.

use model::{Architecture, ConvKind, NAMES, Network};
use std::path::Path;
use std::{env, fs};

fn table(network: &Network) -> String {
    let mut lines: Vec<(String, usize)> = Vec::new();
    for (conv, [h, w]) in network.layers() {
        let kind = match conv.kind {
            ConvKind::Full => "full",
            ConvKind::Depthwise => "depthwise",
            ConvKind::Pointwise => "pointwise",
        };
        let (inputs, outputs, stride, kernel) = (conv.inputs, conv.outputs, conv.stride, conv.kernel);
        let line = format!("{kind:<9} {h:>4} {w:>4} {inputs:>5} {outputs:>5} {stride:>7} {kernel:>7}");
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => lines.push((line, 1)),
        }
    }
    let [height, width] = network.image_size;
    let padding = network.layers().next().map(|(conv, _)| format!("{:?}", conv.padding).to_lowercase());
    let mut text = format!(
        "# {}: width {}, {} channel, {height}x{width}, {} padding; h and w are those of the input\n{:<9} {:>4} {:>4} {:>5} {:>5} {:>7} {:>7} {:>6}\n",
        network.arch,
        network.width,
        network.channels,
        padding.unwrap(),
        "# kind",
        "h",
        "w",
        "cin",
        "cout",
        "stride",
        "kernel",
        "count",
    );
    for (line, count) in lines {
        text += &format!("{line} {count:>6}\n");
    }
    text
}

#[test]
fn the_shape_files_are_the_tables() {
    for name in NAMES {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../benches/shapes/{name}.txt"));
        let text = table(&Architecture::named(name).unwrap().network().unwrap());
        if env::var_os("VERTEBRA_WRITE_SHAPES").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{}", path.display());
    }
}
