//! The promise of the maps: their mean plus the bias is the logit, for every architecture, channel count and size.

use engine::Rng;
use heatmap::{Cam, Heatmap, Localisation, Method, Occlusion};
use model::{Architecture, Array, Metadata, Model, Preprocessing, Weights};

/// A model with random weights of a size at which activations neither vanish nor saturate.
fn random_model(name: &str, channels: usize, image_size: [usize; 2], classes: usize) -> Model {
    let named = Architecture::named(name).unwrap();
    let architecture = Architecture { width: 0.25, image_size, channels, classes, ..named };
    let mut rng = Rng::new(5);
    let mut weights = Weights::default();
    for tensor in architecture.network().unwrap().tensors() {
        let fan_in = tensor.shape[1..].iter().product::<usize>().max(1) as f64;
        let value = |_| match tensor.role {
            model::Role::ConvWeight => rng.normal() * (2.0 / fan_in).sqrt(),
            model::Role::Gamma => rng.range(0.8, 1.2),
            model::Role::Variance => rng.range(0.5, 1.5),
            _ => rng.range(-0.2, 0.2),
        };
        let values: Vec<f32> = (0..tensor.elements()).map(value).map(|x| x as f32).collect();
        weights.insert(tensor.name.clone(), Array::new(tensor.shape.clone(), values).unwrap());
    }
    let names = (0..classes).map(|class| format!("class {class}")).collect();
    let prep = Preprocessing::new(channels, image_size);
    Model::new(Metadata::new(architecture, names, prep), weights).unwrap()
}

#[test]
fn the_mean_of_a_map_plus_the_bias_is_the_logit() {
    for name in model::NAMES {
        for (channels, size, classes) in [(1, [96, 96], 2), (3, [70, 128], 5), (1, [160, 128], 2)] {
            let model = random_model(name, channels, size, classes);
            let mut cam = Cam::new(&model).unwrap();
            let mut rng = Rng::new(1);
            let image: Vec<f32> =
                (0..size[0] * size[1] * channels).map(|_| rng.range(-1.0, 1.0) as f32).collect();
            let found = cam.class_maps(&image);
            let cells = found.cells[0] * found.cells[1];
            for (class, map) in found.maps.chunks_exact(cells).enumerate() {
                let mean = map.iter().map(|&x| f64::from(x)).sum::<f64>() / cells as f64;
                let (want, scale) = (
                    f64::from(found.logits[class]),
                    found.logits.iter().fold(1.0, |m: f32, x| m.max(x.abs())),
                );
                let error = (mean + f64::from(found.bias[class]) - want).abs();
                assert!(error < 1e-5 * f64::from(scale), "{name} class {class}: {error}");
            }
            // Evidence is what moves a class against the mean of the others.
            let evidence = found.evidence(1);
            let mean = evidence.iter().map(|&x| f64::from(x)).sum::<f64>() / cells as f64;
            let margin = |values: &[f32]| {
                let others: f32 = values.iter().enumerate().filter(|&(i, _)| i != 1).map(|(_, x)| x).sum();
                f64::from(values[1] - others / (classes - 1) as f32)
            };
            let want = margin(&found.logits) - margin(&found.bias);
            assert!((mean - want).abs() < 1e-4 * (1.0 + want.abs()), "{name}: {mean} {want}");
            let map = cam.heatmap(&image, 1);
            assert_eq!((map.size, map.values.len()), (size, size[0] * size[1]));
            assert!(map.values.iter().all(|x| x.is_finite()));
            let by_hiding = Occlusion::new(&model).unwrap().heatmap(&image, 1);
            assert_eq!(by_hiding.size, size);
            assert!(by_hiding.values.iter().all(|x| x.is_finite()) && by_hiding.largest() > 0.0);
        }
    }
}

/// The probability of a finding follows from its own logit: what else a place speaks for, and whether there is anything
/// else, is nothing to it.
#[test]
fn evidence_of_a_finding_is_its_own() {
    let image: Vec<f32> = (0..64 * 64).map(|i| (i * 7 % 13) as f32 / 6.0 - 1.0).collect();
    let mut model = random_model("mobilenet-v1", 1, [64, 64], 3);
    model.metadata = model.metadata.with_findings();
    let found = Cam::new(&model).unwrap().class_maps(&image);
    let cells = found.cells[0] * found.cells[1];
    for (at, map) in found.maps.chunks_exact(cells).enumerate() {
        assert_eq!(found.evidence(at), map);
    }
    // The same network without the other findings.
    let mut alone = model.clone();
    for part in ["weight", "bias"] {
        let name = format!("{}.{part}", model.network().unwrap().classifier);
        let all = &model.weights[name.as_str()];
        let mut shape = all.shape().to_vec();
        let length = all.data().len() / shape[0];
        shape[0] = 1;
        alone.weights.insert(name, Array::new(shape, all.data()[..length].to_vec()).unwrap());
    }
    alone.metadata.classes.truncate(1);
    alone.metadata.architecture.classes = 1;
    for method in [Method::Occlusion, Method::Cam] {
        let [of_three, of_one] =
            [&model, &alone].map(|model| heatmap::Explainer::new(model, method).unwrap().heatmap(&image, 0));
        let far = of_three.values.iter().zip(&of_one.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(of_one.largest() > 0.0 && far < 1e-4 * of_one.largest().max(1.0), "{method:?}: {far}");
    }
}

/// Hiding what is flat changes nothing, so the value there is exactly 0.
#[test]
fn what_is_empty_has_no_value() {
    let model = random_model("mobilenet-v1", 1, [64, 64], 3);
    let mut image = vec![0.25; 64 * 64];
    (0..64 * 16).for_each(|i| image[i] = (i % 5) as f32 / 4.0 - 0.5);
    let map = Occlusion::new(&model).unwrap().heatmap(&image, 2);
    let below = |row: usize| map.values[row * 64..].iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    assert!(map.largest() > 1e-3 && below(48) < 1e-5, "{} {}", map.largest(), below(48));
}

#[test]
fn boxes_are_scored_in_pixels_of_the_file() {
    let mut values = vec![0.0; 16];
    (values[5], values[15], values[3]) = (3.0, 1.0, -9.0);
    let map = Heatmap { size: [4, 4], values };
    let prep = Preprocessing::new(1, [4, 4]);
    let placement = model::Placement::new([40, 80], &prep);
    let truth = heatmap::Box2d { x0: 20.0, y0: 10.0, x1: 40.0, y1: 20.0 };
    let found = Localisation::new(&map, &[truth], &placement);
    assert_eq!(found, Localisation { hit: true, energy: 0.75, area: 1.0 / 16.0 });
    // The union of two boxes, however they overlap.
    let wider = heatmap::Box2d { x0: 0.0, ..truth };
    let found = Localisation::new(&map, &[truth, wider], &placement);
    assert_eq!((found.hit, found.area), (true, 2.0 / 16.0));
    let beside = heatmap::Box2d { x0: 60.0, y0: 30.0, x1: 80.0, y1: 40.0 };
    assert_eq!(
        Localisation::new(&map, &[beside], &placement),
        Localisation { hit: false, energy: 0.25, area: 1.0 / 16.0 }
    );
}

/// A picture of another shape than the input, stretched or with bars beside it: the box of the file is found where it
/// lies in the input, to half a pixel.
#[test]
fn boxes_of_the_file_are_found_in_inputs_that_are_no_squares() {
    for (picture, input) in [([500, 1000], [320, 256]), ([1000, 500], [320, 256]), ([700, 900], [256, 320])] {
        for fit in [model::ResizeMode::Stretch, model::ResizeMode::Pad] {
            let prep = Preprocessing { fit, ..Preprocessing::new(1, input) };
            let placement = model::Placement::new(picture, &prep);
            let part = |side: usize, share: f64| (side as f64 * share).round();
            let [height, width] = picture;
            let truth = heatmap::Box2d {
                x0: part(width, 0.2),
                y0: part(height, 0.6),
                x1: part(width, 0.5),
                y1: part(height, 0.9),
            };
            // The picture with the box white, as the network sees it, as a map of evidence.
            let inside = |y: usize, x: usize| {
                (truth.x0..truth.x1).contains(&(x as f64)) && (truth.y0..truth.y1).contains(&(y as f64))
            };
            let samples: Vec<u8> =
                (0..height * width).map(|i| 255 * u8::from(inside(i / width, i % width))).collect();
            let picture = model::Picture::from_u8(&samples, picture, 1).unwrap();
            let values = model::pixels(&picture, &prep);
            let found = Localisation::new(&Heatmap { size: input, values }, &[truth], &placement);
            let [rows, columns] = placement.size;
            let area = 0.09 * (rows * columns) as f64 / (input[0] * input[1]) as f64;
            assert!(found.hit && found.energy > 0.97, "{input:?} {fit:?}: {found:?}");
            assert!((found.area / area - 1.0).abs() < 0.03, "{input:?} {fit:?}: {found:?}, expected {area}");
        }
    }
}

#[test]
fn truth_is_read_by_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.csv");
    std::fs::write(&path, "path,kind,x0,y0,x1,y1\na/1.png,wedge,1,2,3.5,4\n").unwrap();
    let want = heatmap::Box2d { x0: 1.0, y0: 2.0, x1: 3.5, y1: 4.0 };
    assert_eq!(heatmap::read_truth(&path).unwrap()["a/1.png"][0].place, want);
    // As a spreadsheet saves it.
    std::fs::write(&path, "\u{feff}Path;X0;Y0;X1;Y1;;\r\n\r\na\\1.png;1;2;3.5;4;;\r\n;;;;;;\r\n").unwrap();
    assert_eq!(heatmap::read_truth(&path).unwrap()["a/1.png"][0].place, want);
    // VinDr-CXR's and ChestX-ray14's, as they were published: several boxes an image, rows without, width and height.
    let vindr = "image_id,class_name,rad_id,x_min,y_min,x_max,y_max\na,Mass,R1,1,2,3.5,4\na,Effusion,R2,5,6,7,8\n\
                 b,No finding,R1,,,,\nc,No finding,R1, ,nan,NaN,NA\n";
    std::fs::write(&path, vindr).unwrap();
    let boxes = heatmap::read_truth(&path).unwrap();
    assert_eq!(boxes.len(), 1);
    let named: Vec<_> = boxes["a"].iter().map(|of| of.finding.as_deref().unwrap()).collect();
    assert_eq!((named, boxes["a"][0].place), (vec!["Mass", "Effusion"], want));
    std::fs::write(&path, "Image Index,Finding Label,Bbox [x,y,w,h],,,\na.png,Mass,1,2,2.5,2,,,\n").unwrap();
    let boxes = heatmap::read_truth(&path).unwrap();
    assert_eq!((boxes["a.png"][0].place, boxes["a.png"][0].finding.as_deref()), (want, Some("Mass")));
    for (text, message) in [
        ("path,x0,y0,x1\n", "expected a column y1"),
        ("path,x0,y0,x1,y1\na,1,2,x,4\n", "line 2: expected a number, found x"),
    ] {
        std::fs::write(&path, text).unwrap();
        assert!(heatmap::read_truth(&path).unwrap_err().contains(message));
    }
}
